# What rspamd's token needs: it reads its secrets and nothing more.
#
#   vault policy write rspamd rspamd.hcl
#
# For an engine of version 1 the path is "rspamd/*".

path "rspamd/data/*" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
