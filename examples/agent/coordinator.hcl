# What dkimbot needs besides examples/vault/rotator.hcl to talk to agents: it writes what is wanted of them, and reads
# their reports.
#
#   vault policy write dkimbot-agents coordinator.hcl
#   vault write auth/approle/role/dkimbot token_policies=dkimbot,dkimbot-agents token_ttl=1h token_max_ttl=24h

path "secret/data/dkim-agents/+/wish" {
  capabilities = ["create", "read", "update"]
}

path "secret/data/dkim-agents/+/report" {
  capabilities = ["read"]
}
