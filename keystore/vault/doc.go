// Package vault keeps private keys in HashiCorp Vault's KV engine, version 2.
//
// One secret for each domain and selector, at <mount>/data/<prefix>/<domain>/<selector>:
//
//	key         the private key, PKCS#8 PEM (what KumoMTA reads)
//	public_key  SubjectPublicKeyInfo PEM
//	record      the key record's text, without a note
//	key_id      SHA-256 of the public key, hex
//	created_at  RFC 3339, UTC
//
// A secret without key_id, or whose key can't be read, is somebody else's and is
// never changed (I6). Writes use check-and-set with the number of the version that
// they follow: 0 would fail for ever after a deletion. A version that
// somebody deleted with "vault kv delete" is reported, because it can still be
// brought back. The engine must keep at least two versions (max_versions) and delete
// none by age (delete_version_after).
//
// With the first key of a name it is proved that the token may do what is needed weeks
// later: destroy that key, and let another follow (rights.go). A mount that is a path
// within an engine (kv/data) is refused.
//
// The store logs in by token, AppRole or Kubernetes when it first needs to, renews its
// token at half of its life, and logs in afresh when the token has reached its
// maximum lifetime or was revoked. Every call has a time limit. Reads are tried
// again on a bad connection; writes never are, because an answer that was lost may have been
// a success. VAULT_ADDR, VAULT_NAMESPACE, VAULT_CACERT and VAULT_CLIENT_CERT with its key
// hold where Config says nothing; the token always comes from Config. Other variables that
// would steer or weaken the connection are refused by name (environment.go), and
// redirects are not followed, so that no one else gets the token (I9).
//
// It may import keystore, the leaves, rotate/signer/existing for keys that others keep in Vault, and Vault's client.
package vault
