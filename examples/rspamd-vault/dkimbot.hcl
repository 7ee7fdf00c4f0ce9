# What dkimbot needs beside examples/vault/rotator.hcl: it writes rspamd's secrets.
#
#   vault policy write dkimbot-rspamd dkimbot.hcl
#
# For an engine of version 1 the path is "rspamd/*".

path "rspamd/data/*" {
  capabilities = ["create", "read", "update"]
}
