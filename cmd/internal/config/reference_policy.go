package config

import (
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

func policyGroup() Group {
	p := builtinPolicy()
	key := string(p.Key)
	return Group{Path: "policies.NAME", Meaning: "timing and kind of keys; what a policy leaves out it takes from the policy default", Fields: []settings.Field{
		{Key: "schedule", Into: &p.Schedule, Form: is("cron expression"), Meaning: "when a rotation becomes due: minute, hour, day, month, weekday"},
		{Key: "timezone", Into: &p.Timezone, Form: is("IANA name"), Meaning: "the time zone of the schedule, windows and freezes"},
		{Key: "splay", Into: &p.Splay, Meaning: "rotations begin at different times within this long after they are due"},
		{Key: "drain", Into: &p.Drain, Meaning: "how long the key that signed before a switch stays in DNS"},
		{Key: "settle", Into: &p.Settle, Meaning: "how long the record of a new key has been in DNS before the key is used"},
		{Key: "unsafe_timing", Into: &p.Unsafe, Meaning: "allow drain and settle below seven days, for laboratories"},
		{Key: "key", Into: &key, Choices: []string{string(dkim.RSA2048), string(dkim.RSA4096), string(dkim.Ed25519)}, Meaning: "the kind of keys"},
		{Key: "selectors", Form: is("list of two"), Default: "[" + strings.Join(p.Selectors[:], ", ") + "]", Meaning: "the two selectors that sign in turn"},
		{Key: "ttl", Into: &p.TTL, Meaning: "the TTL of key records"},
		{Key: "note", Into: &p.Note, Meaning: "the n= tag of key records"},
		{Key: "plan_only", Into: &p.Limits.PlanOnly, Meaning: "change these domains only by a saved plan that a person applies"},
		{Key: "windows", Form: is("list"), Default: "those of limits", Meaning: "when changes may begin, instead of limits.windows; [] is at any time"},
		{Key: "freezes", Form: is("list"), Meaning: "when no change may begin, beside limits.freezes"},
	}}
}

func limitsGroup() Group {
	share := is("number, or percentage of all domains")
	return Group{Path: "limits", Meaning: "how many domains may begin to switch, and when changes may begin", Fields: []settings.Field{
		{Key: "switches_per_run", Form: share, Default: "no limit", Meaning: "how many domains may begin to switch in one run"},
		{Key: "switches_per_hour", Form: share, Default: "no limit", Meaning: "how many domains may begin to switch within an hour"},
		{Key: "windows", Form: is("list"), Default: "at any time", Meaning: "when changes may begin"},
		{Key: "freezes", Form: is("list"), Meaning: "when no change may begin"},
	}}
}

func periodGroup(path string) Group {
	return Group{Path: path, Meaning: "a window or freeze: when it begins and how long it lasts", Fields: []settings.Field{
		{Key: "schedule", Form: is("cron expression"), Need: "needed", Meaning: "when it begins"},
		{Key: "duration", Form: is("duration"), Need: "needed", Meaning: "how long it lasts"},
		{Key: "timezone", Form: is("IANA name"), Default: "that of the policy, or UTC", Meaning: "the time zone of schedule"},
	}}
}

func verifyGroup(path string) Group {
	v := merged()
	return Group{Path: path, Meaning: "how a record is looked for after it was published; the domain's word counts before the provider's, the provider's before that at the top", Fields: []settings.Field{
		{Key: "mode", Into: &v.Mode, Choices: verifyModes, Meaning: "who is asked"},
		{Key: "nameservers", Form: is("list of host:port"), Default: "those of the zone", Meaning: "the authoritative servers to ask"},
		{Key: "resolvers", Form: is("list of address:port"), Default: "those of the system", Meaning: "the resolvers to ask"},
		{Key: "timeout", Into: &v.Timeout, Meaning: "how long a published record is waited for"},
	}}
}

func domainGroup() Group {
	policy := "default"
	return Group{Path: "domains[]", Meaning: "one domain that signs", Fields: []settings.Field{
		{Key: "name", Need: "needed", Meaning: "the domain, as d= has it in signatures"},
		{Key: "provider", Need: "needed", Meaning: "the DNS account that holds its records"},
		{Key: "signers", Form: is("list"), Need: "needed", Meaning: "what signs its mail"},
		{Key: "policy", Into: &policy, Meaning: "its policy"},
		{Key: "zone", Default: "found by SOA", Meaning: "the zone that its key records are in"},
		{Key: "verify", Form: is("group of keys"), Meaning: "how its records are looked for"},
		{Key: "plan_only", Form: is("true or false"), Default: "that of the policy", Meaning: "change it only by a saved plan that a person applies"},
	}}
}
