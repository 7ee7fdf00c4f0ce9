package plantest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// Changes are what may be otherwise in a scene, for each selector, and as a whole.
func Changes() []Variation {
	out := SignerChanges()
	out = append(out, domainChanges()...)
	for _, name := range []string{"s1", "s2"} {
		for _, v := range append(append(DNSChanges(name), keystoreChanges(name)...), keyChanges(name)...) {
			out = append(out, Variation{name + ": " + v.Name, v.Change})
		}
	}
	return out
}

// DNSChanges are what DNS may show at a selector.
func DNSChanges(name string) []Variation {
	other := Record(Keys()[3])
	own := func(s *Scene) string {
		if sel := s.Have.Selectors[name]; sel != nil && sel.Key != nil {
			return sel.Key.Record
		}
		return Record(Keys()[0])
	}
	sight := func(f func(*rotate.Sight)) func(*Scene) {
		return func(s *Scene) {
			seen := s.Seen.Selectors[name]
			f(&seen.Sight)
			s.Seen.Selectors[name] = seen
		}
	}
	return []Variation{
		{"nothing", func(s *Scene) { s.Show(name) }},
		{"nothing, a server silent", func(s *Scene) { s.Show(name); s.Lag(name) }},
		{"another's record", func(s *Scene) { s.Show(name, other) }},
		{"another's record beside it", func(s *Scene) { s.Show(name, own(s), other) }},
		{"another's record on one server", func(s *Scene) { s.Show(name, own(s), other); s.Lag(name) }},
		{"the same twice", func(s *Scene) { s.Show(name, own(s), own(s)) }},
		{"an earlier record", func(s *Scene) { s.Past(name, Keys()[3].ID()); s.Show(name, other) }},
		{"the present and an earlier one", func(s *Scene) { s.Past(name, Keys()[3].ID()); s.Show(name, own(s), other) }},
		{"the present key's record", func(s *Scene) { s.Show(name, own(s)) }},
		{"an empty p=", func(s *Scene) { s.Show(name, "v=DKIM1; k=ed25519; p=") }},
		{"an empty p= of ours", func(s *Scene) { s.Selector(name).Revoked = true; s.Show(name, "v=DKIM1; k=ed25519; p=") }},
		{"the testing flag", func(s *Scene) { s.Show(name, strings.Replace(own(s), "; p=", "; t=y; p=", 1)) }},
		{"other tags", func(s *Scene) { s.Show(name, strings.Replace(own(s), "; p=", "; t=s; p=", 1)) }},
		{"a server lags", func(s *Scene) { s.Lag(name) }},
		{"a server is silent", func(s *Scene) { s.Mute(name) }},
		{"rejected by resolvers", sight(func(v *rotate.Sight) { v.Complete, v.Bogus = false, []string{"ns2: the signature has expired"} })},
		{"a wildcard's key", func(s *Scene) { s.Show(name); s.Wildcard(name, other) }},
		{"a wildcard's SPF", func(s *Scene) { s.Show(name); s.Wildcard(name, "v=spf1 -all") }},
		{"a CNAME to the other", sight(func(v *rotate.Sight) {
			v.Owner = map[string]string{"s1": "s2", "s2": "s1"}[name] + "._domainkey.example.com"
		})},
		{"DNS silent", func(s *Scene) { s.DNSSilent(name) }},
		{"DNS silent, after another's record", func(s *Scene) { s.Show(name, other); s.DNSSilent(name) }},
		{"DNS silent, and another's record before", func(s *Scene) {
			s.DNSSilent(name)
			s.Have.Drift = []finding.Finding{{Code: codes.RecordForeign, Selector: name, Message: "somebody else's",
				Since: LongAgo}}
		}},
	}
}

// keystoreChanges are what the keystore may hold for a selector.
func keystoreChanges(name string) []Variation {
	other := Keys()[3]
	fails := func(kind fault.Kind, code string) func(*Scene) {
		return func(s *Scene) {
			seen := s.Seen.Selectors[name]
			seen.KeyID, seen.KeyErr = "", &fault.Error{Kind: kind, Code: codes.Code(code), What: "read " + name,
				Err: errors.New("it failed"), Hint: "look into it"}
			s.Seen.Selectors[name] = seen
		}
	}
	return []Variation{
		{"no private key", func(s *Scene) { s.Hold(name, "", 5) }},
		{"no newer private key", func(s *Scene) { s.Hold(name, "", 5); s.Keep(name) }},
		{"another private key", func(s *Scene) { s.Hold(name, other.ID(), 8) }},
		{"another private key beside ours", func(s *Scene) { s.Hold(name, other.ID(), 8); s.Keep(name) }},
		{"a replaced private key", func(s *Scene) { s.Past(name, other.ID()); s.Hold(name, other.ID(), 8) }},
		{"a private key that was tried", func(s *Scene) {
			s.Selector(name).Tried = []string{other.ID()}
			s.Hold(name, other.ID(), 8)
		}},
		{"a dropped private key", func(s *Scene) {
			s.Selector(name).Retired = []rotate.Retired{{KeyID: other.ID(), Version: 8, Dropped: true}}
			s.Hold(name, other.ID(), 8)
		}},
		{"a dropped private key beside ours", func(s *Scene) {
			s.Selector(name).Retired = []rotate.Retired{{KeyID: other.ID(), Version: 8, Dropped: true}}
			s.Hold(name, other.ID(), 8)
			s.Keep(name)
		}},
		{"another key everywhere", func(s *Scene) { s.Hold(name, other.ID(), 8); s.Show(name, Record(other)) }},
		{"the old private key missing", func(s *Scene) { s.OldKept(name, false) }},
		{"keystore silent", fails(fault.Transient, "keystore-unreachable")},
		{"a secret that is no key", fails(fault.Refused, "foreign-secret")},
		{"a deleted secret", fails(fault.Permanent, "deleted-secret")},
	}
}

// keyChanges are what state may know of a selector's key.
func keyChanges(name string) []Variation {
	key := func(f func(*Scene, *rotate.Key)) func(*Scene) {
		return func(s *Scene) {
			if k := s.Selector(name).Key; k != nil {
				f(s, k)
			}
		}
	}
	gone := func(s *Scene, k *rotate.Key) { k.Gone, k.Doomed = true, true; s.Hold(name, "", 5) }
	revoked := func(s *Scene, k *rotate.Key) {
		k.Leaked, k.RevokedAt, k.Record = Now.Add(-time.Hour), Now.Add(-time.Hour), "v=DKIM1; k=ed25519; p="
		s.Show(name, k.Record)
	}
	return []Variation{
		{"never seen", key(func(_ *Scene, k *rotate.Key) { k.VerifiedAt = time.Time{} })},
		{"just seen", key(func(_ *Scene, k *rotate.Key) { k.VerifiedAt, k.CacheWait = Now, time.Hour })},
		{"just replaced", key(func(_ *Scene, k *rotate.Key) { k.VerifiedAt, k.Replaced = Now, true })},
		{"replaced, not published", key(func(s *Scene, k *rotate.Key) {
			k.VerifiedAt, k.PublishedAt, k.Replaced = time.Time{}, time.Time{}, true
			s.Selector(name).TTL = 4 * time.Hour
			s.Show(name)
		})},
		{"compromised", key(func(_ *Scene, k *rotate.Key) { k.Leaked = Now.Add(-time.Hour) })},
		{"compromised, now", key(func(_ *Scene, k *rotate.Key) { k.Leaked, k.RevokeNow = Now.Add(-time.Hour), true })},
		{"revoked", key(revoked)},
		{"revoked and destroyed", key(func(s *Scene, k *rotate.Key) { revoked(s, k); gone(s, k) })},
		{"revoked and missing from DNS", key(func(s *Scene, k *rotate.Key) { revoked(s, k); s.Show(name) })},
		{"to be revoked", key(func(s *Scene,
			k *rotate.Key) {
			k.Leaked, k.Record = Now.Add(-time.Hour), "v=DKIM1; k=ed25519; p="
		})},
		{"destroyed", key(gone)},
		{"being destroyed", key(func(_ *Scene, k *rotate.Key) { k.Doomed = true })},
		{"shadowed", key(func(_ *Scene, k *rotate.Key) { k.ShadowedAt = Now.Add(-time.Hour) })},
		{"an earlier key to destroy", func(s *Scene) { s.Selector(name).Retired = []rotate.Retired{{KeyID: Keys()[3].ID(), Version: 1}} }},
		{"a dropped key to destroy", func(s *Scene) {
			s.Selector(name).Retired = []rotate.Retired{{KeyID: Keys()[3].ID(), Version: 1, Dropped: true}}
		}},
		{"a fresh key", func(s *Scene) { s.Selector(name).Next = KeyAt(2); s.Selector(name).Next.PublishedAt = time.Time{} }},
		{"no key", func(s *Scene) { s.Selector(name).Key = nil }},
		{"unknown", func(s *Scene) { delete(s.Have.Selectors, name) }},
	}
}

// SignerChanges are what signers may say, and be known for.
func SignerChanges() []Variation {
	key := func(n int) string { return Keys()[n].ID() }
	knows := func(f func(*rotate.Confirmed)) func(*Scene) {
		return func(s *Scene) {
			if c, ok := s.Have.Signers["mx2"]; ok {
				f(&c)
				s.Have.Signers["mx2"] = c
			}
		}
	}
	dropped := func(s *Scene) { s.Want.Signers = []string{"mx1"}; delete(s.Seen.Signers, "mx2") }
	out := []Variation{
		{"mx2 silent", func(s *Scene) { s.Silence("mx2") }},
		{"mx2 answers nothing of use", func(s *Scene) {
			s.Seen.Signers["mx2"] = rotate.SignerSeen{Ref: RefTo("s9", 3), Err: errors.New("cut off")}
		}},
		{"both silent", func(s *Scene) { s.Silence("mx1", "mx2") }},
		{"mx2 signs with s1", func(s *Scene) { s.Drift("s1", key(0), "mx2") }},
		{"mx2 signs with s2", func(s *Scene) { s.Drift("s2", key(1), "mx2") }},
		{"mx2 signs with a key of before", func(s *Scene) { s.Drift("s1", key(3), "mx2") }},
		{"mx2 names no key", func(s *Scene) { s.Drift("s1", "", "mx2") }},
		{"mx2 signs with s9", func(s *Scene) { s.Drift("s9", key(3), "mx2") }},
		{"both sign with s9", func(s *Scene) { s.Drift("s9", key(3), "mx1", "mx2") }},
		{"mx2 signs with s9 since long", func(s *Scene) {
			s.Drift("s9", key(3), "mx2")
			s.Have.Former = []rotate.Former{{Selector: "s9", Signer: "mx2"}}
		}},
		{"mx2 has left s9", func(s *Scene) {
			s.Have.Former = []rotate.Former{{Selector: "s9", Signer: "mx2", Until: Now.Add(day)},
				{Selector: "s9", Signer: "mx1", Until: Now.Add(2 * day)}}
		}},
		{"mx2 has left s9 and is silent", func(s *Scene) {
			s.Silence("mx2")
			s.Have.Former = []rotate.Former{{Selector: "s9", Signer: "mx2", Until: Now}}
		}},
		{"mx2 has left s9 long ago", func(s *Scene) {
			s.Have.Former = []rotate.Former{{Selector: "s9", Signer: "mx2", Until: Now.Add(-30 * day)}}
		}},
		{"mx2 signs nothing", func(s *Scene) { s.Drift("", "", "mx2") }},
		{"both sign nothing", func(s *Scene) { s.Drift("", "", "mx1", "mx2") }},
		{"mx2 unsure", knows(func(c *rotate.Confirmed) { c.Unsure = true })},
		{"mx2 came lately", knows(func(c *rotate.Confirmed) { c.At = Now.Add(-day) })},
		{"mx2 left", knows(func(c *rotate.Confirmed) { c.Left = true })},
		{"mx2 confirmed another key", knows(func(c *rotate.Confirmed) { c.KeyID = key(3) })},
		{"mx2 never confirmed", func(s *Scene) { delete(s.Have.Signers, "mx2") }},
		{"mx2 removed", dropped},
		{"mx2 removed, unsure", func(s *Scene) { dropped(s); s.UnsureIfKnown("mx2") }},
		{"mx3 added", func(s *Scene) {
			s.Want.Signers = append(s.Want.Signers, "mx3")
			s.Seen.Signers["mx3"] = rotate.SignerSeen{}
		}},
		{"no signers", func(s *Scene) { s.Want.Signers = nil }},
	}
	return out
}

// domainChanges are what may be otherwise as a whole.
func domainChanges() []Variation {
	out := []Variation{
		{"as it is", func(*Scene) {}},
		{"a rotation asked for", func(s *Scene) { s.Want.Asked = true }},
		{"frozen", func(s *Scene) { s.Want.Limits = Frozen }},
		{"frozen, asked by name", func(s *Scene) { s.Want.Limits, s.Want.Asked, s.Want.Named = Frozen, true, true }},
		{"by plan only", func(s *Scene) { s.Want.Limits = ByPlan }},
		{"other selectors", func(s *Scene) { s.Want.Policy.Selectors = [2]string{"a", "b"} }},
		{"one other selector", func(s *Scene) { s.Want.Policy.Selectors[1] = "b" }},
		{"selectors the other way round", func(s *Scene) { s.Want.Policy.Selectors = [2]string{"s2", "s1"} }},
		{"a third selector known", func(s *Scene) {
			s.Selector("s3").Past = []string{Keys()[3].ID()}
		}},
		{"a broken schedule", func(s *Scene) { s.Want.Policy.Schedule = "monthly" }},
		{"no drain", func(s *Scene) { s.Want.Policy.Drain = 0 }},
		{"a long drain", func(s *Scene) { s.Want.Policy.Drain = 20 * day }},
		{"no settle", func(s *Scene) { s.Want.Policy.Settle = 0 }},
		{"a long settle", func(s *Scene) { s.Want.Policy.Settle = 60 * day }},
		{"DNS not asked", func(s *Scene) { s.Uncheck() }},
		{"switched now", func(s *Scene) { s.Have.SwitchedAt = Now }},
		{"the drain ends now", func(s *Scene) { s.Have.SwitchedAt = Now.Add(-s.Want.Policy.Drain) }},
		{"switched far ahead", func(s *Scene) { s.Have.SwitchedAt = Now.Add(40 * day) }},
		{"mx1 sent back", func(s *Scene) { s.Have.Held = []string{"mx1"} }},
		{"all sent back", func(s *Scene) { s.Have.Held = []string{"mx1", "mx2"} }},
		{"an order of before", func(s *Scene) { s.Have.RevokeNow = true }},
		{"no target", func(s *Scene) { s.Have.Target = "" }},
		{"no active", func(s *Scene) { s.Have.Active = "" }},
		{"draining nothing", func(s *Scene) { s.Have.Draining = "" }},
		{"draining both ways", func(s *Scene) { s.Have.Draining = s.Have.Active }},
		{"both keystores empty", func(s *Scene) { s.Hold("s1", "", 0); s.Hold("s2", "", 0) }},
		{"both records missing", func(s *Scene) { s.Show("s1"); s.Show("s2") }},
		{"DNS silent", func(s *Scene) { s.DNSSilent("s1", "s2") }},
		{"keystore silent", func(s *Scene) { s.KeystoreSilent("s1"); s.KeystoreSilent("s2") }},
		{"purged", func(s *Scene) { s.Have.Released = &rotate.ReleaseState{At: LongAgo, Purge: true, Purged: Now} }},
		{"being purged", func(s *Scene) {
			s.Have.Released = &rotate.ReleaseState{At: LongAgo, Purge: true, LastUsed: Now.Add(-8 * day),
				Unused: true, Begun: true}
		}},
	}
	for _, phase := range []rotate.Phase{"", rotate.New, rotate.Bootstrapping, rotate.Ready, rotate.Switching,
		rotate.Draining, rotate.Replacing, "unheard-of"} {
		out = append(out, Variation{fmt.Sprintf("phase %q", phase), func(s *Scene) { s.Have.Phase = phase }})
	}
	return out
}
