package config

import (
	"iter"

	"github.com/dkimbot/dkimbot/providers"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Group is the keys that stand side by side somewhere in the configuration.
type Group struct {
	Path    string // NAME stands for a name of the operator's own, [] for each of a list: "policies.NAME.windows[]"
	Driver  string // the driver, or way to log in, that has these keys; "" for keys that are always there
	Meaning string // what the group is, as a sentence without a full stop
	Fields  []settings.Field
}

// Reference returns all keys of the configuration, in the order of a reference page: dkimbot.yaml(5)
// is made from them, and a test holds them against what the reader asks for.
func Reference(drivers Drivers) iter.Seq[Group] {
	groups := []Group{topGroup(), stateGroup()}
	groups = append(groups, keystoreGroups()...)
	groups = append(groups, providerGroup())
	for _, a := range drivers.DNS() {
		groups = append(groups, Group{"providers.NAME", a.Driver().Name, a.Driver().Meaning, a.Fields()})
	}
	groups = append(groups, signerGroup())
	for _, s := range drivers.Signers() {
		groups = append(groups, Group{"signers.NAME", s.Driver().Name, s.Driver().Meaning, s.Fields()})
	}
	groups = append(groups, probeGroups()...)
	groups = append(groups, policyGroup(), limitsGroup())
	for _, path := range []string{"policies.NAME.windows[]", "policies.NAME.freezes[]", "limits.windows[]",
		"limits.freezes[]"} {
		groups = append(groups, periodGroup(path))
	}
	for _, path := range []string{"verify", "providers.NAME.verify", "domains[].verify"} {
		groups = append(groups, verifyGroup(path))
	}
	groups = append(groups, domainGroup())
	groups = append(groups, notifyGroups()...)
	groups = append(groups, serveGroup())
	return func(yield func(Group) bool) {
		for _, g := range groups {
			if !yield(g) {
				return
			}
		}
	}
}

// is returns the form of what is read in another way than as a text, for the reference page.
func is(what string) settings.Form { return settings.Form{Name: what} }

func topGroup() Group {
	group, list := is("group of keys"), is("list")
	return Group{Meaning: "the keys at the top; a policy named default always exists", Fields: []settings.Field{
		{Key: "state", Form: group, Meaning: "where dkimbot keeps what it knows of each domain; " +
			"it holds no private key, and is precious: back it up"},
		{Key: "keystore", Form: group, Meaning: "where private keys are kept"},
		{Key: "providers", Form: group, Meaning: "DNS accounts, under names of your own"},
		{Key: "signers", Form: group, Meaning: "what signs mail, under names of your own"},
		{Key: "policies", Form: group, Meaning: "timing and kind of keys, under names of your own"},
		{Key: "limits", Form: group, Meaning: "how many domains may start to switch, and when changes may start"},
		{Key: "verify", Form: group, Meaning: "how a record is looked for after it was published; " +
			"may stand at a provider or domain, too"},
		{Key: "notify", Form: group, Meaning: "who is notified of what happens, and who is asked before a switch"},
		{Key: "serve", Form: group, Meaning: "where the daemon answers questions about itself"},
		{Key: "domains", Form: list, Meaning: "the domains that sign"},
		{Key: "include", Form: list, Meaning: "files with more domains, one list a file, such as [domains.d/*.yaml]; " +
			"* leaves out names that begin with a dot"},
	}}
}

func providerGroup() Group {
	fields := []settings.Field{
		{Key: "driver", Need: "needed", Meaning: "the kind of DNS account"},
		{Key: "verify", Form: is("group of keys"), Meaning: "how records of this account are looked for"},
	}
	var limits providers.Limits
	return Group{Path: "providers.NAME", Meaning: "a DNS account", Fields: append(fields, limits.Fields()...)}
}

func signerGroup() Group {
	return Group{Path: "signers.NAME", Meaning: "what signs mail, on one host", Fields: []settings.Field{
		{Key: "driver", Need: "needed", Meaning: "the kind of signer"},
		{Key: "was", Meaning: "the name that the signer had before, when it was renamed; see dkimbot-changes(7)"},
		{Key: "probe", Form: is("group of keys"), Meaning: "mail as the proof of each switch; none when it is left out"},
	}}
}
