package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// variation is a scene, or one thing that is changed in a scene.
type variation struct {
	name   string
	change func(*scene)
}

// stages are where a domain can stand, and what may have interrupted it there.
func stages() []variation {
	start := func(scenes func() *scene, more ...func(*scene)) func(*scene) {
		return func(s *scene) {
			*s = *scenes()
			for _, change := range more {
				change(s)
			}
		}
	}
	// the standby, as a report has it
	replacing := func(s *scene) { s.have.Phase, s.have.Draining = rotate.Draining, "s2" }
	s2Public := func(s *scene) {
		s.sign("s1", "mx1")
		s.have.Selectors["s2"].Key = nil
		s.show("s2")
		s.hold("s2", "", 0)
	}
	return []variation{
		{"new", start(newScene)},
		{"bootstrapping", start(bootstrappingScene)},
		{"bootstrapping, half made", start(bootstrappingScene, s2Public)},
		{"bootstrapping, one signs", start(bootstrappingScene, func(s *scene) { s.sign("s1", "mx1") })},
		{"bootstrapping, its key leaked",
			start(bootstrappingScene, func(s *scene) { s.sign("s1", "mx1") }, leak("s1"),
				func(s *scene) { s.have.Target = "s2" })},
		{"bootstrapping, one is unsure",
			start(bootstrappingScene, func(s *scene) { s.sign("s1", "mx1"); s.unsure("mx1"); s.stray("", "", "mx1") })},
		{"ready", start(readyScene)},
		{"ready, mx2 rebuilt", start(readyScene, func(s *scene) { s.stray("", "", "mx2") })},
		{"ready, the standby's key missing", start(readyScene, func(s *scene) { s.hold("s2", "", 5) })},
		{"ready, DNS not asked", start(readyScene, (*scene).uncheck)},
		{"ready, due", start(readyScene, func(s *scene) { s.have.SwitchedAt = longAgo })},
		{"ready, leaked", start(readyScene, leak("s1"))},
		{"ready, leaked, now", start(readyScene, leak("s1"), revokeNow("s1"))},
		{"ready, standby leaked", start(readyScene, leak("s2"), replacing)},
		{"ready, both leaked", start(readyScene, leak("s1"), leak("s2"), replacing)},
		{"switching", start(switchingScene)},
		{"switching, mx2 silent", start(switchingScene, func(s *scene) { s.silent("mx2") })},
		{"switching, its record missing", start(switchingScene, func(s *scene) { s.show("s2") })},
		{"switching, leaked", start(switchingScene, leak("s1"))},
		{"switching, one sent back", start(switchingScene,
			func(s *scene) { s.have.Held = []string{"mx1"}; s.unsure("mx1") })},
		{"switching, all sent back", start(switchingScene,
			func(s *scene) { s.have.Held = []string{"mx1", "mx2"}; s.unsure("mx1") })},
		{"draining", start(drainingScene)},
		{"draining, leaked", start(drainingScene, leak("s2"))},
		{"draining, old one leaked", start(drainingScene, leak("s1"))},
		{"draining, both leaked", start(drainingScene, leak("s1"), leak("s2"))},
		{"drained", start(drainedScene)},
		{"stored", start(storedScene)},
		{"stored, leaked", start(storedScene, leak("s2"))},
		{"published", start(publishedScene)},
		{"replaced", start(replacedScene)},
		{"replaced, leaked", start(replacedScene, leak("s2"))},
		{"released", start(readyScene, func(s *scene) { s.have.Released = &rotate.HandedBack{At: longAgo} })},
		{"to be cleared away", start(readyScene, func(s *scene) { s.purging(-8*day, true) })},
	}
}

func leak(selector string) func(*scene) {
	return func(s *scene) { s.have.Selectors[selector].Key.Leaked = planned.Add(-time.Hour) }
}

func revokeNow(selector string) func(*scene) {
	return func(s *scene) { s.have.Selectors[selector].Key.RevokeNow = true }
}

// changes are what may be otherwise in a scene, for each selector, and as a whole.
func changes() []variation {
	out := signerChanges()
	out = append(out, domainChanges()...)
	for _, name := range []string{"s1", "s2"} {
		for _, v := range append(append(dnsChanges(name), keystoreChanges(name)...), keyChanges(name)...) {
			out = append(out, variation{name + ": " + v.name, v.change})
		}
	}
	return out
}

// dnsChanges are what DNS may show at a selector.
func dnsChanges(name string) []variation {
	other := record(someKeys()[3])
	own := func(s *scene) string {
		if sel := s.have.Selectors[name]; sel != nil && sel.Key != nil {
			return sel.Key.Record
		}
		return record(someKeys()[0])
	}
	sight := func(f func(*rotate.Sight)) func(*scene) {
		return func(s *scene) {
			seen := s.seen.Selectors[name]
			f(&seen.Sight)
			s.seen.Selectors[name] = seen
		}
	}
	return []variation{
		{"nothing", func(s *scene) { s.show(name) }},
		{"nothing, a server silent", func(s *scene) { s.show(name); s.lag(name) }},
		{"another's record", func(s *scene) { s.show(name, other) }},
		{"another's record beside it", func(s *scene) { s.show(name, own(s), other) }},
		{"another's record on one server", func(s *scene) { s.show(name, own(s), other); s.lag(name) }},
		{"the same twice", func(s *scene) { s.show(name, own(s), own(s)) }},
		{"an earlier record", func(s *scene) { s.past(name, someKeys()[3].ID()); s.show(name, other) }},
		{"the present and an earlier one", func(s *scene) { s.past(name, someKeys()[3].ID()); s.show(name, own(s), other) }},
		{"the present key's record", func(s *scene) { s.show(name, own(s)) }},
		{"an empty p=", func(s *scene) { s.show(name, "v=DKIM1; k=ed25519; p=") }},
		{"an empty p= of ours", func(s *scene) { s.selector(name).Revoked = true; s.show(name, "v=DKIM1; k=ed25519; p=") }},
		{"the testing flag", func(s *scene) { s.show(name, strings.Replace(own(s), "; p=", "; t=y; p=", 1)) }},
		{"a server lags", func(s *scene) { s.lag(name) }},
		{"a server is silent", func(s *scene) { s.mute(name) }},
		{"rejected by resolvers", sight(func(v *rotate.Sight) { v.Complete, v.Bogus = false, []string{"ns2: the signature has expired"} })},
		{"a wildcard's key", func(s *scene) { s.show(name); s.wildcard(name, other) }},
		{"a wildcard's SPF", func(s *scene) { s.show(name); s.wildcard(name, "v=spf1 -all") }},
		{"a CNAME to the other", sight(func(v *rotate.Sight) {
			v.Owner = map[string]string{"s1": "s2", "s2": "s1"}[name] + "._domainkey.example.com"
		})},
		{"DNS silent", func(s *scene) { s.dnsSilent(name) }},
		{"DNS silent, after another's record", func(s *scene) { s.show(name, other); s.dnsSilent(name) }},
		{"DNS silent, and another's record before", func(s *scene) {
			s.dnsSilent(name)
			s.have.Drift = []rotate.Finding{{Code: codes.RecordForeign, Selector: name, Message: "somebody else's",
				Since: longAgo}}
		}},
	}
}

// keystoreChanges are what the keystore may hold for a selector.
func keystoreChanges(name string) []variation {
	other := someKeys()[3]
	fails := func(kind fault.Kind, code string) func(*scene) {
		return func(s *scene) {
			seen := s.seen.Selectors[name]
			seen.KeyID, seen.KeyErr = "", &fault.Error{Kind: kind, Code: codes.Code(code), What: "read " + name,
				Err: errors.New("it failed"), Hint: "look into it"}
			s.seen.Selectors[name] = seen
		}
	}
	return []variation{
		{"no private key", func(s *scene) { s.hold(name, "", 5) }},
		{"no newer private key", func(s *scene) { s.hold(name, "", 5); s.keep(name) }},
		{"another private key", func(s *scene) { s.hold(name, other.ID(), 8) }},
		{"another private key beside ours", func(s *scene) { s.hold(name, other.ID(), 8); s.keep(name) }},
		{"a replaced private key", func(s *scene) { s.past(name, other.ID()); s.hold(name, other.ID(), 8) }},
		{"a private key that was tried", func(s *scene) {
			s.selector(name).Tried = []string{other.ID()}
			s.hold(name, other.ID(), 8)
		}},
		{"a dropped private key", func(s *scene) {
			s.selector(name).Retired = []rotate.Retired{{KeyID: other.ID(), Version: 8, Dropped: true}}
			s.hold(name, other.ID(), 8)
		}},
		{"a dropped private key beside ours", func(s *scene) {
			s.selector(name).Retired = []rotate.Retired{{KeyID: other.ID(), Version: 8, Dropped: true}}
			s.hold(name, other.ID(), 8)
			s.keep(name)
		}},
		{"another key everywhere", func(s *scene) { s.hold(name, other.ID(), 8); s.show(name, record(other)) }},
		{"the old private key missing", func(s *scene) { s.oldKept(name, false) }},
		{"keystore silent", fails(fault.Transient, "keystore-unreachable")},
		{"a secret that is no key", fails(fault.Refused, "foreign-secret")},
		{"a deleted secret", fails(fault.Permanent, "deleted-secret")},
	}
}

// keyChanges are what state may know of a selector's key.
func keyChanges(name string) []variation {
	key := func(f func(*scene, *rotate.Key)) func(*scene) {
		return func(s *scene) {
			if k := s.selector(name).Key; k != nil {
				f(s, k)
			}
		}
	}
	gone := func(s *scene, k *rotate.Key) { k.Gone, k.Doomed = true, true; s.hold(name, "", 5) }
	revoked := func(s *scene, k *rotate.Key) {
		k.Leaked, k.RevokedAt, k.Record = planned.Add(-time.Hour), planned.Add(-time.Hour), "v=DKIM1; k=ed25519; p="
		s.show(name, k.Record)
	}
	return []variation{
		{"never seen", key(func(_ *scene, k *rotate.Key) { k.VerifiedAt = time.Time{} })},
		{"just seen", key(func(_ *scene, k *rotate.Key) { k.VerifiedAt, k.CacheWait = planned, time.Hour })},
		{"just replaced", key(func(_ *scene, k *rotate.Key) { k.VerifiedAt, k.Replaced = planned, true })},
		{"replaced, not published", key(func(s *scene, k *rotate.Key) {
			k.VerifiedAt, k.PublishedAt, k.Replaced = time.Time{}, time.Time{}, true
			s.selector(name).TTL = 4 * time.Hour
			s.show(name)
		})},
		{"compromised", key(func(_ *scene, k *rotate.Key) { k.Leaked = planned.Add(-time.Hour) })},
		{"compromised, now", key(func(_ *scene, k *rotate.Key) { k.Leaked, k.RevokeNow = planned.Add(-time.Hour), true })},
		{"revoked", key(revoked)},
		{"revoked and destroyed", key(func(s *scene, k *rotate.Key) { revoked(s, k); gone(s, k) })},
		{"revoked and missing from DNS", key(func(s *scene, k *rotate.Key) { revoked(s, k); s.show(name) })},
		{"to be revoked", key(func(s *scene,
			k *rotate.Key) {
			k.Leaked, k.Record = planned.Add(-time.Hour), "v=DKIM1; k=ed25519; p="
		})},
		{"destroyed", key(gone)},
		{"being destroyed", key(func(_ *scene, k *rotate.Key) { k.Doomed = true })},
		{"shadowed", key(func(_ *scene, k *rotate.Key) { k.ShadowedAt = planned.Add(-time.Hour) })},
		{"an earlier key to destroy", func(s *scene) { s.selector(name).Retired = []rotate.Retired{{KeyID: someKeys()[3].ID(), Version: 1}} }},
		{"a dropped key to destroy", func(s *scene) {
			s.selector(name).Retired = []rotate.Retired{{KeyID: someKeys()[3].ID(), Version: 1, Dropped: true}}
		}},
		{"a fresh key", func(s *scene) { s.selector(name).Next = keyAt(2); s.selector(name).Next.PublishedAt = time.Time{} }},
		{"no key", func(s *scene) { s.selector(name).Key = nil }},
		{"unknown", func(s *scene) { delete(s.have.Selectors, name) }},
	}
}

// signerChanges are what signers may say, and be known for.
func signerChanges() []variation {
	key := func(n int) string { return someKeys()[n].ID() }
	knows := func(f func(*rotate.Confirmed)) func(*scene) {
		return func(s *scene) {
			if c, ok := s.have.Signers["mx2"]; ok {
				f(&c)
				s.have.Signers["mx2"] = c
			}
		}
	}
	dropped := func(s *scene) { s.want.Signers = []string{"mx1"}; delete(s.seen.Signers, "mx2") }
	out := []variation{
		{"mx2 silent", func(s *scene) { s.silent("mx2") }},
		{"mx2 answers nothing of use", func(s *scene) {
			s.seen.Signers["mx2"] = rotate.SignerSeen{Ref: refTo("s9", 3), Err: errors.New("cut off")}
		}},
		{"both silent", func(s *scene) { s.silent("mx1", "mx2") }},
		{"mx2 signs with s1", func(s *scene) { s.stray("s1", key(0), "mx2") }},
		{"mx2 signs with s2", func(s *scene) { s.stray("s2", key(1), "mx2") }},
		{"mx2 signs with a key of before", func(s *scene) { s.stray("s1", key(3), "mx2") }},
		{"mx2 names no key", func(s *scene) { s.stray("s1", "", "mx2") }},
		{"mx2 signs with s9", func(s *scene) { s.stray("s9", key(3), "mx2") }},
		{"both sign with s9", func(s *scene) { s.stray("s9", key(3), "mx1", "mx2") }},
		{"mx2 signs with s9 since long", func(s *scene) {
			s.stray("s9", key(3), "mx2")
			s.have.Former = []rotate.Former{{Selector: "s9", Signer: "mx2"}}
		}},
		{"mx2 has left s9", func(s *scene) {
			s.have.Former = []rotate.Former{{Selector: "s9", Signer: "mx2", Until: planned.Add(day)},
				{Selector: "s9", Signer: "mx1", Until: planned.Add(2 * day)}}
		}},
		{"mx2 has left s9 and is silent", func(s *scene) {
			s.silent("mx2")
			s.have.Former = []rotate.Former{{Selector: "s9", Signer: "mx2", Until: planned}}
		}},
		{"mx2 has left s9 long ago", func(s *scene) {
			s.have.Former = []rotate.Former{{Selector: "s9", Signer: "mx2", Until: planned.Add(-30 * day)}}
		}},
		{"mx2 signs nothing", func(s *scene) { s.stray("", "", "mx2") }},
		{"both sign nothing", func(s *scene) { s.stray("", "", "mx1", "mx2") }},
		{"mx2 unsure", knows(func(c *rotate.Confirmed) { c.Unsure = true })},
		{"mx2 came lately", knows(func(c *rotate.Confirmed) { c.At = planned.Add(-day) })},
		{"mx2 left", knows(func(c *rotate.Confirmed) { c.Left = true })},
		{"mx2 confirmed another key", knows(func(c *rotate.Confirmed) { c.KeyID = key(3) })},
		{"mx2 never confirmed", func(s *scene) { delete(s.have.Signers, "mx2") }},
		{"mx2 removed", dropped},
		{"mx2 removed, unsure", func(s *scene) { dropped(s); s.unsureIfKnown("mx2") }},
		{"mx3 added", func(s *scene) {
			s.want.Signers = append(s.want.Signers, "mx3")
			s.seen.Signers["mx3"] = rotate.SignerSeen{}
		}},
		{"no signers", func(s *scene) { s.want.Signers = nil }},
	}
	return out
}

// domainChanges are what may be otherwise as a whole.
func domainChanges() []variation {
	out := []variation{
		{"as it is", func(*scene) {}},
		{"a rotation asked for", func(s *scene) { s.want.Asked = true }},
		{"frozen", func(s *scene) { s.want.Limits = frozen }},
		{"frozen, asked by name", func(s *scene) { s.want.Limits, s.want.Asked, s.want.Named = frozen, true, true }},
		{"by plan only", func(s *scene) { s.want.Limits = byPlan }},
		{"other selectors", func(s *scene) { s.want.Policy.Selectors = [2]string{"a", "b"} }},
		{"one other selector", func(s *scene) { s.want.Policy.Selectors[1] = "b" }},
		{"selectors the other way round", func(s *scene) { s.want.Policy.Selectors = [2]string{"s2", "s1"} }},
		{"a third selector known", func(s *scene) {
			s.selector("s3").Past = []string{someKeys()[3].ID()}
		}},
		{"a broken schedule", func(s *scene) { s.want.Policy.Schedule = "monthly" }},
		{"no drain", func(s *scene) { s.want.Policy.Drain = 0 }},
		{"a long drain", func(s *scene) { s.want.Policy.Drain = 20 * day }},
		{"no settle", func(s *scene) { s.want.Policy.Settle = 0 }},
		{"a long settle", func(s *scene) { s.want.Policy.Settle = 60 * day }},
		{"DNS not asked", func(s *scene) { s.uncheck() }},
		{"switched now", func(s *scene) { s.have.SwitchedAt = planned }},
		{"the drain ends now", func(s *scene) { s.have.SwitchedAt = planned.Add(-s.want.Policy.Drain) }},
		{"switched far ahead", func(s *scene) { s.have.SwitchedAt = planned.Add(40 * day) }},
		{"mx1 sent back", func(s *scene) { s.have.Held = []string{"mx1"} }},
		{"all sent back", func(s *scene) { s.have.Held = []string{"mx1", "mx2"} }},
		{"an order of before", func(s *scene) { s.have.RevokeNow = true }},
		{"no target", func(s *scene) { s.have.Target = "" }},
		{"no active", func(s *scene) { s.have.Active = "" }},
		{"draining nothing", func(s *scene) { s.have.Draining = "" }},
		{"draining both ways", func(s *scene) { s.have.Draining = s.have.Active }},
		{"both keystores empty", func(s *scene) { s.hold("s1", "", 0); s.hold("s2", "", 0) }},
		{"both records missing", func(s *scene) { s.show("s1"); s.show("s2") }},
		{"DNS silent", func(s *scene) { s.dnsSilent("s1", "s2") }},
		{"keystore silent", func(s *scene) { s.keystoreSilent("s1"); s.keystoreSilent("s2") }},
		{"cleared away", func(s *scene) { s.have.Released = &rotate.HandedBack{At: longAgo, Purge: true, Purged: planned} }},
		{"being cleared away", func(s *scene) {
			s.have.Released = &rotate.HandedBack{At: longAgo, Purge: true, LastUsed: planned.Add(-8 * day),
				Unused: true, Begun: true}
		}},
	}
	for _, phase := range []rotate.Phase{"", rotate.New, rotate.Bootstrapping, rotate.Ready, rotate.Switching,
		rotate.Draining, rotate.Replacing, "unheard-of"} {
		out = append(out, variation{fmt.Sprintf("phase %q", phase), func(s *scene) { s.have.Phase = phase }})
	}
	return out
}

// selector returns what state knows of a selector, to be changed.
func (s *scene) selector(name string) *rotate.Selector {
	if s.have.Selectors == nil {
		s.have.Selectors = map[string]*rotate.Selector{}
	}
	if s.have.Selectors[name] == nil {
		s.have.Selectors[name] = &rotate.Selector{}
	}
	return s.have.Selectors[name]
}

func (s *scene) past(name, keyID string) {
	s.selector(name).Past = append(s.selector(name).Past, keyID)
}

func (s *scene) wildcard(name, value string) {
	seen := s.seen.Selectors[name]
	seen.Sight.Wildcard, seen.Sight.TTL = []string{value}, 2*time.Hour
	s.seen.Selectors[name] = seen
}

func (s *scene) unsureIfKnown(signer string) {
	if _, ok := s.have.Signers[signer]; ok {
		s.unsure(signer)
	}
}
