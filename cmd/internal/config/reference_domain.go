package config

import "github.com/dkimbot/dkimbot/rotate/settings"

func domainGroup() Group {
	policy := "default"
	return Group{Path: "domains[]", Meaning: "one domain that signs", Fields: []settings.Field{
		{Key: "name", Need: "needed", Meaning: "the domain, as d= has it in signatures"},
		{Key: "provider", Need: "needed", Meaning: "the DNS account that holds its records"},
		{Key: "providers", Form: is("list"), Meaning: "instead of provider, while the name servers move: all DNS accounts that " +
			"its records are published to; see dkimbot-changes(7)"},
		{Key: "signers", Form: is("list"), Need: "needed", Meaning: "what signs its mail"},
		{Key: "policy", Into: &policy, Meaning: "its policy"},
		{Key: "zone", Default: "found by SOA", Meaning: "the zone that its key records are in"},
		{Key: "verify", Form: is("group of keys"), Meaning: "how its records are looked for"},
		{Key: "plan_only", Form: is("true or false"), Default: "that of the policy",
			Meaning: "change it only by a saved plan that a person applies"},
	}}
}
