# What the agent on host mx1 needs, and nothing more: it reads what is wanted of it and the keys of its own domains,
# and writes its own report.
#
#   vault policy write dkim-agent-mx1 agent.hcl
#   vault write auth/approle/role/dkim-agent-mx1 token_policies=dkim-agent-mx1 token_no_default_policy=true \
#     token_ttl=1h token_max_ttl=24h
#
# The paths are those of the default configuration: mount "secret" (KV version 2), prefix "dkim". One policy for each
# agent: its name, and the domains that its host signs for.

path "secret/data/dkim-agents/mx1/wish" {
  capabilities = ["read"]
}

path "secret/data/dkim-agents/mx1/report" {
  capabilities = ["create", "read", "update"]
}

# One of these for each domain of the host.
path "secret/data/dkim/example.com/*" {
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
