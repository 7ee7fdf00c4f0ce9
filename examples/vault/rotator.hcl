# What dkimbot needs to keep private keys in Vault, and nothing more.
#
#   vault policy write dkimbot rotator.hcl
#   vault write auth/approle/role/dkimbot token_policies=dkimbot token_ttl=1h token_max_ttl=24h
#
# The paths are those of the default configuration: mount "secret" (KV version 2),
# prefix "dkim". Change them here when keystore.mount or keystore.prefix say otherwise.

# Read keys, and write each as a new version. Versions are never overwritten.
path "secret/data/dkim/*" {
  capabilities = ["create", "read", "update"]
}

# Destroy the old key once its successor has been seen in DNS. Before dkimbot stores the
# first key of a selector it proves that it may do this; nothing is destroyed by that.
path "secret/destroy/dkim/*" {
  capabilities = ["update"]
}

# See beforehand whether the engine deletes keys by age (delete_version_after), which it must not. Without this,
# that is only found when a key is stored.
path "secret/config" {
  capabilities = ["read"]
}

# Look at, renew and give back its own token.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}

path "auth/token/revoke-self" {
  capabilities = ["update"]
}
