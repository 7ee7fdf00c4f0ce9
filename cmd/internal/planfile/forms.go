package planfile

import (
	"regexp"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// standsStill is what a Drain says of the record: it continues to be published.
const standsStill = "published"

var (
	keyIDForm = regexp.MustCompile(`^[0-9a-f]{0,64}$`)
	daysForm  = regexp.MustCompile(`^[0-9]{1,6}d$`)
	namesForm = regexp.MustCompile(`^[A-Za-z0-9_.-]{0,253}$`) // a signer may name a selector that is not dkimbot's
)

// formed reports whether a signer that dkimbot knows could have named this key.
func formed(s approval.SignsWith) bool {
	return namesForm.MatchString(s.Selector) && digestForm.MatchString(s.KeyID)
}

// promises are the facts that a step of each kind has after it.
var promises = map[rotate.Kind][]string{
	rotate.Generate: {"key"},
	rotate.StoreKey: {"key_id"},
	rotate.Publish:  {"record", "key_id", "ttl"},
	rotate.Verify:   {"record", "key_id"},
	rotate.Activate: {"selector", "key_id"},
	rotate.Drain:    {"record"},
	rotate.Revoke:   {"record", "key_id", "ttl"},
	rotate.Destroy:  {"key_id"},
	rotate.Adopt:    {"record", "key_id", "signs"},
}

// after holds what a step says of afterwards to the forms of facts. They are shown also when
// the document is not signed, so they leave no room for words.
func (c *checker) after(s Step, stateless bool) {
	for name, v := range s.After {
		c.that(slices.Contains(promises[s.Kind], name), "it holds a fact that a step of its kind does not have")
		c.that(fact(name, v), "a fact is not of the form that dkimbot gives it")
	}
	c.that(s.Kind != rotate.Activate || s.After["selector"] == s.Selector, "it leads to another selector than its own")
	if stateless && s.Kind != rotate.Adopt {
		c.that(unmade(s.After["key_id"]), "it is for a key that was made, and there was no state")
		c.that(unmade(s.After["record"]) || s.Kind == rotate.Drain,
			"it is for a record that was made, and there was no state")
	}
}

// unmade reports whether a fact is of a key that is yet to be made, or of none.
func unmade(v string) bool { return v == "" || v == approval.Generated }

// fact reports whether a value is one that the fact of this name can have.
func fact(name, v string) bool {
	switch name {
	case "key":
		return slices.Contains([]dkim.Algorithm{dkim.RSA2048, dkim.RSA4096, dkim.Ed25519}, dkim.Algorithm(v))
	case "key_id":
		return v == approval.Generated || keyIDForm.MatchString(v)
	case "ttl":
		d, err := time.ParseDuration(v)
		return daysForm.MatchString(v) || err == nil && d >= 0
	case "selector", "signs":
		selector, err := dkim.ParseSelector(v)
		return err == nil && selector == v
	case "record":
		_, err := dkim.ParseRecord(v)
		return v == approval.Generated || v == standsStill || err == nil
	}
	return false
}

// plainAfter returns the facts of a step without what a record says to people: its notes,
// and unknown tags.
func (s Step) plainAfter() map[string]string {
	out := map[string]string{}
	for name, v := range s.After {
		if r, err := dkim.ParseRecord(v); name == "record" && err == nil {
			v = dkim.Record{KeyType: r.KeyType, Key: r.Key}.String()
		}
		out[name] = v
	}
	return out
}
