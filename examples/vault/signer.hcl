# What a signer (KumoMTA and the like) needs that reads its keys from Vault: it
# can't write, delete or list anything.
#
#   vault policy write dkim-signer signer.hcl
#
# For a signer that serves some domains only, name them: "secret/data/dkim/example.com/*".

path "secret/data/dkim/*" {
  capabilities = ["read"]
}

path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
