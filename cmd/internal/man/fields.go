package man

// Fields returns all keys of the configuration. A test compares them with those that
// its reader knows.
func Fields() []Group {
	return []Group{
		{"State", "Where dkimbot keeps what it knows: phases, history, leases. It holds no private key. Back it up.",
			stateFields()},
		{"Keystore", "Where private keys are kept.", keystoreFields()},
		{"Providers", "DNS accounts, under names of your own.", providerFields()},
		{"Signers", "What signs mail, under names of your own. Each is one daemon on one host.", signerFields()},
		{"Policies", "Timing and kind of keys. A policy takes what it leaves out from the policy `default`, " +
			"and `default` takes it from the values below.", policyFields()},
		{"Limits", "When changes may start, and how many. None by default; see HOW LIMITS WORK.", limitFields()},
		{"Verify", "How dkimbot looks for a record after it was published. `verify` may also stand at a provider " +
			"or a domain; the domain's keys come before the provider's, and these before the general ones.",
			verifyFields()},
		{"Notify", "Who is asked and told. Nobody by default; see dkimbot-hooks(7).", notifyFields()},
		{"Domains", "The domains that sign.", domainFields()},
	}
}

func stateFields() []Field {
	return []Field{
		{Path: "state.driver", Type: "word", Meaning: "`sqlite`, the only one in this version", Default: "sqlite"},
		{Path: "state.path", Type: "path", Meaning: "The database's file", Default: "state.db"},
	}
}

func keystoreFields() []Field {
	const vault = "With `vault`: "
	return []Field{
		{Path: "keystore.driver", Type: "word", Meaning: "`file` or `vault`", Default: "file"},
		{Path: "keystore.path", Type: "path",
			Meaning: "With `file`: the directory of the keys. The directory has mode 0700, files have " +
				"0600", Default: "keys"},
		{Path: "keystore.address", Type: "URL",
			Meaning: vault + "the server, such as `https://vault.example.com:8200`. Without it `VAULT_ADDR` counts"},
		{Path: "keystore.namespace", Type: "text",
			Meaning: vault + "the namespace. Without it `VAULT_NAMESPACE` counts"},
		{Path: "keystore.mount", Type: "text",
			Meaning: vault + "the path of the KV version 2 engine itself: `kv`, not `kv/data`", Default: "secret"},
		{Path: "keystore.prefix", Type: "text",
			Meaning: vault + "the path below the mount. Keys stand at " +
				"MOUNT/data/PREFIX/DOMAIN/SELECTOR", Default: "dkim"},
		{Path: "keystore.ca_file", Type: "path",
			Meaning: vault + "the certificate authority of the server. Without it `VAULT_CACERT` counts, else " +
				"the system's"},
		{Path: "keystore.auth.method", Type: "word",
			Meaning: vault + "how to log in: `token`, `approle` or `kubernetes`", Default: "token"},
		{Path: "keystore.auth.token", Meaning: "With `token`. Without it `VAULT_TOKEN` counts", Secret: true},
		{Path: "keystore.auth.role_id", Meaning: "With `approle`: the role's id", Secret: true, Needed: true},
		{Path: "keystore.auth.secret_id", Meaning: "With `approle`: the role's secret", Secret: true, Needed: true},
		{Path: "keystore.auth.mount", Type: "text",
			Meaning: "With `approle` and `kubernetes`: where the method is mounted. Default: the method's name"},
		{Path: "keystore.auth.role", Type: "text",
			Meaning: "With `kubernetes`: the role that Vault's administrator made for dkimbot", Needed: true},
		{Path: "keystore.auth.jwt_file", Type: "path", Meaning: "With `kubernetes`: the pod's service account token",
			Default: "/var/run/secrets/kubernetes.io/serviceaccount/token"},
	}
}

func providerFields() []Field {
	const p = "providers.NAME."
	return []Field{
		{Path: p + "driver", Type: "word",
			Meaning: "`rfc2136`, `route53`, `cloudflare` or `zonefile`. See ABOUT DNS PROVIDERS", Needed: true},
		{Path: p + "timeout", Type: "duration", Meaning: "How long one call may take. Default: the driver's"},
		{Path: p + "rate", Type: "number", Meaning: "Calls a second. Default: below the service's own limit"},
		{Path: p + "parallel", Type: "number", Meaning: "Calls at one time, 1 to 1000. Default: the driver's"},
		{Path: p + "server", Type: "address",
			Meaning: "With `rfc2136`: the primary name server, such as `192.0.2.1:53`", Needed: true},
		{Path: p + "key_name", Type: "text",
			Meaning: "With `rfc2136`: the name of the TSIG key, as the server knows it", Needed: true},
		{Path: p + "key_algorithm", Type: "word",
			Meaning: "With `rfc2136`: `hmac-sha1`, `hmac-sha224`, `hmac-sha256`, `hmac-sha384` or " +
				"`hmac-sha512`", Default: "hmac-sha256"},
		{Path: p + "key",
			Meaning: "With `rfc2136`: the TSIG key in base64, and nothing else", Secret: true, Needed: true},
		{Path: p + "region", Type: "text",
			Meaning: "With `route53`: the region. Without it the AWS default chain counts"},
		{Path: p + "profile", Type: "text", Meaning: "With `route53`: a profile of `~/.aws/config`"},
		{Path: p + "hosted_zone_id", Type: "text",
			Meaning: "With `route53`: the zone's id. Give it when a private zone has the same name"},
		{Path: p + "access_key_id", Type: "text",
			Meaning: "With `route53`: an access key. Without it the AWS default chain counts. It needs " +
				"`secret_access_key`"},
		{Path: p + "secret_access_key", Meaning: "With `route53`: the secret of `access_key_id`", Secret: true},
		{Path: p + "session_token",
			Meaning: "With `route53`: the session's token, for keys that need one", Secret: true},
		{Path: p + "api_token",
			Meaning: "With `cloudflare`: a token with Zone:Read and DNS:Edit for the " +
				"zones", Secret: true, Needed: true},
		{Path: p + "dir", Type: "path",
			Meaning: "With `zonefile`: the directory of the zone files, each named ZONE.zone", Needed: true},
		{Path: p + "listen", Type: "address",
			Meaning: "With `zonefile`: answer DNS for these zones here while dkimbot runs"},
		{Path: p + "reload", Type: "command", Meaning: "With `zonefile`: what tells the name server of a change"},
		{Path: p + "reload_timeout", Type: "duration",
			Meaning: "With `zonefile`: how long `reload` may take", Default: "30s"},
		{Path: p + "verify", Type: "group", Meaning: "How records of this account are looked for; see VERIFY"},
	}
}

func signerFields() []Field {
	const s, odkim, exec = "signers.NAME.", "With `opendkim`: ", "With `exec`: "
	return []Field{
		{Path: s + "driver", Type: "word", Meaning: "`opendkim` or `exec`. See ABOUT SIGNERS", Needed: true},
		{Path: s + "key_dir", Type: "path", Meaning: odkim + "the directory of the key files", Needed: true},
		{Path: s + "key_table", Type: "path", Meaning: odkim + "the KeyTable, as opendkim.conf has it", Needed: true},
		{Path: s + "signing_table", Type: "path",
			Meaning: odkim + "the SigningTable, as opendkim.conf has it; `refile:` may stand before " +
				"it", Needed: true},
		{Path: s + "reload", Type: "command",
			Meaning: odkim + "what makes it read its tables again. Write `[\"true\"]` where no OpenDKIM " +
				"runs", Needed: true},
		{Path: s + "reload_timeout", Type: "duration", Meaning: odkim + "how long `reload` may take", Default: "30s"},
		{Path: s + "owner", Type: "text",
			Meaning: odkim + "the user, or user:group, that can read the key files. Default: the owner of `key_dir`"},
		{Path: s + "milter", Type: "socket",
			Meaning: odkim + "its socket, such as `inet:8891@localhost`. dkimbot then asks it with a probe " +
				"message which key it uses. Recommended"},
		{Path: s + "allow_unsafe_keys", Type: "true or false",
			Meaning: odkim + "accept a key directory that others can write. For laboratories only", Default: "false"},
		{Path: s + "command", Type: "command", Meaning: exec + "the program and its arguments", Needed: true},
		{Path: s + "timeout", Type: "duration",
			Meaning: exec + "how long the command may take. Then it is killed, and run again later", Default: "30s"},
		{Path: s + "send_key", Type: "true or false",
			Meaning: exec + "give the command the private key, too", Default: "false"},
		{Path: s + "lag", Type: "duration",
			Meaning: "How long after its success a switch is surely in effect. The drain starts after it. " +
				"Default: 15m with `opendkim`, 0 with `exec`"},
	}
}

func policyFields() []Field {
	const p = "policies.NAME."
	return []Field{
		{Path: p + "schedule", Type: "cron",
			Meaning: "When a rotation is due: minute, hour, day, month, weekday", Default: "0 4 1 * *"},
		{Path: p + "timezone", Type: "text",
			Meaning: "The time zone of `schedule`, by its name in the IANA database", Default: "UTC"},
		{Path: p + "drain", Type: "duration",
			Meaning: "How long the old key stays published after the last signer's switch. Less than 168h " +
				"needs `unsafe_timing`", Default: "168h"},
		{Path: p + "settle", Type: "duration",
			Meaning: "How long a replaced key must have been public before it is used. Less than 168h needs " +
				"`unsafe_timing`", Default: "168h"},
		{Path: p + "unsafe_timing", Type: "true or false",
			Meaning: "Allow shorter waits. For laboratories and tests only: mail can fail", Default: "false"},
		{Path: p + "key", Type: "word",
			Meaning: "The kind of new keys: `rsa2048`, `rsa4096` or `ed25519`", Default: "rsa2048"},
		{Path: p + "selectors", Type: "list", Meaning: "The two selectors", Default: "[s1, s2]"},
		{Path: p + "ttl", Type: "duration", Meaning: "The TTL of the key records, at most 168h", Default: "1h"},
		{Path: p + "note", Type: "text", Meaning: "The n= tag of the key records, at most 100 bytes"},
		{Path: p + "splay", Type: "duration",
			Meaning: "Spreads the rotations of many domains over this time. Each domain has its own fixed " +
				"share", Default: "6h"},
		{Path: p + "windows", Type: "list",
			Meaning: "Like `limits.windows`, and instead of them. `[]` allows changes at any time"},
		{Path: p + "freezes", Type: "list", Meaning: "Like `limits.freezes`, and added to them"},
		{Path: p + "plan_only", Type: "true or false",
			Meaning: "Changes start only by dkimbot-apply(1)", Default: "false"},
	}
}

func limitFields() []Field {
	return []Field{
		{Path: "limits.switches_per_run", Type: "number or share",
			Meaning: "How many domains may start to switch in one run: `50`, or `10%` of all. The daemon " +
				"starts a new run each hour"},
		{Path: "limits.switches_per_hour", Type: "number or share",
			Meaning: "The same in any hour, over all runs and processes"},
		{Path: "limits.windows", Type: "list", Meaning: "Changes start within one of these and at no other time"},
		{Path: "limits.freezes", Type: "list", Meaning: "Changes do not start within any of these"},
		{Path: "limits.windows[].schedule", Type: "cron", Meaning: "When a window or freeze starts", Needed: true},
		{Path: "limits.windows[].duration", Type: "duration",
			Meaning: "How long it lasts, at least 1m", Needed: true},
		{Path: "limits.windows[].timezone", Type: "text",
			Meaning: "The time zone of `schedule`. Default: UTC, in a policy the policy's"},
	}
}

func verifyFields() []Field {
	return []Field{
		{Path: "verify.mode", Type: "word",
			Meaning: "`authoritative` asks every server of the zone. `resolvers` asks resolvers. `both` asks both. " +
				"`none` asks nobody: then nothing proves that a key is public", Default: "authoritative"},
		{Path: "verify.nameservers", Type: "list",
			Meaning: "Ask these instead of the zone's NS set (hidden primary, split horizon, tests)"},
		{Path: "verify.resolvers", Type: "list", Meaning: "Ask these instead of the system's resolvers"},
		{Path: "verify.timeout", Type: "duration",
			Meaning: "How long a new record may take to show on every server", Default: "2m"},
	}
}

func notifyFields() []Field {
	const h, m = "notify.hooks.", "notify.mail."
	return []Field{
		{Path: h + "before_switch", Type: "list",
			Meaning: "Hooks that are asked before a switch and may veto it. Together they may take 4m"},
		{Path: h + "after", Type: "list", Meaning: "Hooks that are told of each finished switch and rotation"},
		{Path: h + "on_failure", Type: "list", Meaning: "Hooks that are told of each failed or refused attempt"},
		{Path: h + "after[].command", Type: "command", Meaning: "The program and its arguments", Needed: true},
		{Path: h + "after[].timeout", Type: "duration", Meaning: "How long it may take, at most 4m", Default: "30s"},
		{Path: "notify.webhook.url", Meaning: "Where to post", Secret: true, Needed: true},
		{Path: "notify.webhook.on", Type: "list",
			Meaning: "The events: `failed`, `refused`, `switched`, `rotated`", Default: "[failed, refused, rotated]"},
		{Path: "notify.webhook.timeout", Type: "duration", Meaning: "How long one post may take", Default: "10s"},
		{Path: m + "smtp", Type: "address", Meaning: "The mail server, such as `mail.example.com:587`", Needed: true},
		{Path: m + "tls", Type: "word",
			Meaning: "`offered`, `required`, `implicit` or `never`. Default: `implicit` on port 465, " +
				"`required` with a `username`, else `offered`"},
		{Path: m + "ca_file", Type: "path",
			Meaning: "The certificate authority of the mail server. Default: the system's"},
		{Path: m + "username", Type: "text", Meaning: "The name to log in with"},
		{Path: m + "password", Meaning: "The password of `username`", Secret: true},
		{Path: m + "from", Type: "mail address", Meaning: "The sender", Needed: true},
		{Path: m + "to", Type: "list", Meaning: "The recipients", Needed: true},
		{Path: m + "on", Type: "list",
			Meaning: "The events, as for the webhook", Default: "[failed, refused, rotated]"},
		{Path: m + "timeout", Type: "duration", Meaning: "How long one letter may take", Default: "30s"},
		{Path: "notify.heartbeat.url", Meaning: "What to request while all is well", Secret: true, Needed: true},
		{Path: "notify.heartbeat.method", Type: "word", Meaning: "`GET` or `POST`", Default: "GET"},
		{Path: "notify.heartbeat.every", Type: "duration",
			Meaning: "How often the daemon requests it", Default: "5m"},
		{Path: "notify.heartbeat.timeout", Type: "duration",
			Meaning: "How long one request may take", Default: "10s"},
		{Path: "notify.audit.path", Type: "path", Meaning: "The file of the audit log", Needed: true},
		{Path: "notify.memory", Type: "path",
			Meaning: "The file that remembers which failures were told. Default: notices.json beside the state"},
	}
}

func domainFields() []Field {
	const d = "domains[]."
	return []Field{
		{Path: d + "name", Type: "text", Meaning: "The domain, as it stands after d= in a signature", Needed: true},
		{Path: d + "provider", Type: "text", Meaning: "The name of one of the `providers`", Needed: true},
		{Path: d + "signers", Type: "list",
			Meaning: "The names of all `signers` that sign mail of the domain", Needed: true},
		{Path: d + "policy", Type: "text", Meaning: "The name of one of the `policies`", Default: "default"},
		{Path: d + "plan_only", Type: "true or false",
			Meaning: "Changes of this domain start only by dkimbot-apply(1). Default: the policy's"},
		{Path: d + "zone", Type: "text",
			Meaning: "The zone that the domain lies in. Default: found by its SOA record"},
		{Path: d + "verify", Type: "group", Meaning: "How records of this domain are looked for; see VERIFY"},
		{Path: "include", Type: "list", Meaning: "Further files, each a list of domains, such as `domains.d/*.yaml`"},
	}
}
