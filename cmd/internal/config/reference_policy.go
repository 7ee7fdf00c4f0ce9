package config

import (
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

func policyGroup() Group {
	p := builtinPolicy()
	key := string(p.Key)
	return Group{Path: "policies.NAME",
		Meaning: "timing and kind of keys; what a policy leaves out it takes from the policy default",
		Fields: []settings.Field{
			{Key: "schedule", Into: &p.Schedule, Form: is("cron expression"),
				Meaning: "when a rotation is due: minute, hour, day, month, weekday"},
			{Key: "timezone", Into: &p.Timezone, Form: is("IANA name"),
				Meaning: "the time zone of the schedule, windows and freezes"},
			{Key: "splay", Into: &p.Splay,
				Meaning: "spreads the rotations of many domains over this time; each domain has its own fixed share"},
			{Key: "drain", Into: &p.Drain,
				Meaning: "how long the old key stays published after the last signer has switched; " +
					"less than 168h needs unsafe_timing"},
			{Key: "settle", Into: &p.Settle,
				Meaning: "how long a replaced key must have been public before it is used; less than 168h needs unsafe_timing"},
			{Key: "unsafe_timing", Into: &p.Unsafe,
				Meaning: "allow a drain and settle below seven days; for laboratories only, since mail can fail"},
			{Key: "key", Into: &key, Choices: []string{string(dkim.RSA2048), string(dkim.RSA4096), string(dkim.Ed25519)},
				Meaning: "the kind of keys"},
			{Key: "selectors", Form: is("list of two"), Default: "[" + strings.Join(p.Selectors[:], ", ") + "]",
				Meaning: "the two selectors that sign in turn"},
			{Key: "ttl", Into: &p.TTL, Meaning: "the TTL of key records, at most 168h"},
			{Key: "note", Into: &p.Note, Meaning: "the n= tag of key records, at most 100 bytes"},
			{Key: "plan_only", Into: &p.Limits.PlanOnly,
				Meaning: "change these domains only by a saved plan that a person applies"},
			{Key: "windows", Form: is("list"), Default: "those of limits",
				Meaning: "when changes may start, instead of limits.windows; [] is at any time"},
			{Key: "freezes", Form: is("list"), Meaning: "when no change may start, added to limits.freezes"},
		}}
}

func limitsGroup() Group {
	share := is("number, or percentage of all domains")
	return Group{Path: "limits", Meaning: "how many domains may start to switch, and when changes may start; " +
		"see HOW LIMITS WORK", Fields: []settings.Field{
		{Key: "switches_per_run", Form: share, Default: "no limit",
			Meaning: "how many domains may start to switch in one run; the daemon starts a new run each hour"},
		{Key: "switches_per_hour", Form: share, Default: "no limit",
			Meaning: "how many domains may start to switch in any hour, over all runs and processes"},
		{Key: "windows", Form: is("list"), Default: "at any time", Meaning: "when changes may start"},
		{Key: "freezes", Form: is("list"), Meaning: "when no change may start"},
	}}
}

func periodGroup(path string) Group {
	return Group{Path: path, Meaning: "a window or freeze: when it starts and how long it lasts", Fields: []settings.Field{
		{Key: "schedule", Form: is("cron expression"), Need: "needed", Meaning: "when it starts"},
		{Key: "duration", Form: is("duration"), Need: "needed", Meaning: "how long it lasts, at least 1m"},
		{Key: "timezone", Form: is("IANA name"), Default: "that of the policy, or UTC", Meaning: "the time zone of schedule"},
	}}
}

func verifyGroup(path string) Group {
	v := merged()
	return Group{Path: path, Meaning: "how dkimbot looks for a record after it was published; " +
		"a domain's keys come before its provider's, and these before those at the top", Fields: []settings.Field{
		{Key: "mode", Into: &v.Mode, Choices: verifyModes,
			Meaning: "who is asked: every server of the zone, resolvers, both, or none; " +
				"with none, nothing proves that a key is public"},
		{Key: "nameservers", Form: is("list of host:port"), Default: "those of the zone",
			Meaning: "the authoritative servers to ask, for a hidden primary or split horizon"},
		{Key: "resolvers", Form: is("list of address:port"), Default: "those of the system", Meaning: "the resolvers to ask"},
		{Key: "timeout", Into: &v.Timeout, Meaning: "how long a new record may take to show on every server"},
	}}
}

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
