package plan_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// left returns a scene of a domain that had the selector old earlier, of which a private key is kept: all signers have
// left it, their mail has arrived, and its record is gone.
func left() *scene {
	s := plantest.Ready()
	key := plantest.KeyAt(2)
	s.Have.Earlier = rotate.Earlier{"old": {Key: key, Retired: []rotate.Retired{{KeyID: key.ID, Version: key.Version}}}}
	s.Have.Former = rotate.Formers{{Selector: "old", Signer: "mx1", Until: s.Now.Add(-1)}}
	s.Seen.Left = map[string]rotate.RecordSeen{"old": {Sight: rotate.Sight{Complete: true}}}
	return s
}

// testMode returns a record as a person puts it in test mode.
func testMode(record string) string { return strings.Replace(record, "v=DKIM1;", "v=DKIM1; t=y;", 1) }

// becomesOf says what is planned, said and waited for at the selector old.
func becomesOf(s *scene) string {
	p := s.Plan()
	var out []string
	for _, step := range p.Steps {
		if step.Selector == "old" {
			out = append(out, string(step.Kind))
		}
	}
	for _, w := range p.Warnings {
		if w.Code == codes.RecordLeft || w.Code == codes.RemovalUnseen {
			out = append(out, string(w.Code))
		}
	}
	if p.Next != nil && p.Next.Selector == "old" {
		out = append(out, "next "+string(p.Next.Action)+" in "+p.Next.At.Sub(s.Now).String())
	}
	return strings.Join(out, ", ")
}

// TestEmptyEarlier: a private key at a selector that the domain had earlier is destroyed when no signer uses it, its mail
// has arrived, and its record is seen to be gone; and not before (I2, I5).
func TestEmptyEarlier(t *testing.T) {
	later := time.Hour
	sight := func(change func(*rotate.RecordSeen)) func(*scene) {
		return func(s *scene) {
			seen := s.Seen.Left["old"]
			change(&seen)
			s.Seen.Left["old"] = seen
		}
	}
	until := func(d time.Duration) func(*scene) {
		return func(s *scene) { s.Have.Former[0].Until = s.Now.Add(d) }
	}
	leaked := func(s *scene) {
		sel := s.Have.Earlier["old"]
		sel.Key.Leaked, sel.Key.RevokedAt, sel.Key.Record = s.Now, s.Now, dkim.RevokedRecord(sel.Key.Record)
		sel.Retired[0].Leaked, sel.Revoked = true, true
	}
	lostKeys := func(newest string) func(*scene) { // what the keystore holds at the domain's selectors, in the place of its keys
		return func(s *scene) {
			for name := range s.Have.Selectors {
				s.Past(name, "old key")
				s.Hold(name, newest, 1)
			}
		}
	}
	unseen := func(published time.Duration) func(*scene) {
		return func(s *scene) {
			key := s.Have.Earlier["old"].Key
			key.VerifiedAt, key.PublishedAt, s.Have.Former = time.Time{}, s.Now.Add(-published), nil
		}
	}
	shows := func(values ...string) func(*scene) {
		return sight(func(r *rotate.RecordSeen) { r.Sight.Values = values })
	}
	record := plantest.KeyAt(2).Record
	for title, c := range map[string]struct {
		changes []func(*scene)
		want    string
	}{
		"all is over":               {nil, "destroy"},
		"mail is still on its way":  {[]func(*scene){until(later)}, "publish, next destroy in 1h0m0s"},
		"until after the next turn": {[]func(*scene){until(100 * 24 * later)}, "publish"},
		"at this moment":            {[]func(*scene){until(0)}, "destroy"},
		"a signer left it just now": {[]func(*scene){func(s *scene) { s.Have.Former[0].Until = time.Time{} }},
			"publish, next destroy in 192h0m0s"},
		"mail is on its way, and the record stands": {[]func(*scene){until(later), shows(record)}, "next destroy in 1h0m0s"},
		"mail is on its way, and another record stands": {[]func(*scene){until(later), shows("v=spf1 -all")},
			"next destroy in 1h0m0s"},
		"the record stands in test mode": {[]func(*scene){shows(testMode(record))}, "record-left"},
		"people were told that it may go, and a signer was switched once more": {[]func(*scene){until(later),
			func(s *scene) { s.Have.Former[0].Due = s.Now }}, "next destroy in 1h0m0s"},
		"a signer says that it does": {[]func(*scene){func(s *scene) { s.Drift("old", "x", "mx2") }}, "publish"},
		"a signer signs with it":     {[]func(*scene){func(s *scene) { s.Drift("old", plantest.KeyAt(2).ID, "mx2") }}, "publish"},
		"a signer signs with it, and its record is another's": {[]func(*scene){shows("v=spf1 -all"), func(s *scene) {
			s.Drift("old", plantest.KeyAt(2).ID, "mx2")
		}}, ""},
		"one that is no longer listed signs with it": {[]func(*scene){func(s *scene) {
			s.Seen.Dismissed = map[string]rotate.SignerSeen{"mx9": {Ref: plantest.RefTo("old", 2)}}
		}}, "publish"},
		"a signer is silent":    {[]func(*scene){func(s *scene) { s.Silence("mx1") }}, ""},
		"it has no private key": {[]func(*scene){func(s *scene) { s.Have.Earlier["old"].Retired = nil }}, ""},
		"it has no private key, and its record stands": {[]func(*scene){func(s *scene) { s.Have.Earlier["old"].Retired = nil },
			shows(record)}, ""},
		"the record stands":                                        {[]func(*scene){shows(record)}, "record-left"},
		"another record stands":                                    {[]func(*scene){shows("v=spf1 -all")}, "destroy"},
		"DNS is not asked":                                         {[]func(*scene){sight(func(r *rotate.RecordSeen) { r.Sight.Unchecked = true })}, "removal-unseen"},
		"DNS does not answer":                                      {[]func(*scene){sight(func(r *rotate.RecordSeen) { r.Err = errors.New("no answer") })}, ""},
		"some servers do not":                                      {[]func(*scene){sight(func(r *rotate.RecordSeen) { r.Sight.Complete = false })}, ""},
		"the keystore holds no key of the domain":                  {[]func(*scene){lostKeys("")}, ""},
		"the keystore is an older copy":                            {[]func(*scene){lostKeys("old key")}, ""},
		"compromised, and the keystore holds no key of the domain": {[]func(*scene){leaked, lostKeys("")}, ""},
		"no signer was given it":                                   {[]func(*scene){func(s *scene) { s.Have.Former = nil }}, "destroy"},
		"its record was published, and not seen": {[]func(*scene){unseen(6 * 24 * time.Hour)},
			"next destroy in 24h0m0s"},
		"its record was not seen for a week": {[]func(*scene){unseen(7 * 24 * time.Hour)}, "destroy"},
		"its record came late":               {[]func(*scene){unseen(6 * 24 * time.Hour), shows(record)}, "record-left"},
		"compromised, and its record may come": {[]func(*scene){unseen(6 * 24 * time.Hour), func(s *scene) {
			s.Have.Earlier["old"].Key.Leaked, s.Have.Earlier["old"].Retired[0].Leaked = s.Now, true
		}}, "next destroy in 24h0m0s"},
		"compromised and revoked, and its record was not seen": {[]func(*scene){leaked, unseen(time.Hour)}, "destroy"},
		"it is not known who uses it": {[]func(*scene){func(s *scene) { s.Have.Former, s.Have.Earlier["old"].Key = nil, nil }},
			""},
		"compromised, and its mail is on its way": {[]func(*scene){until(later), leaked}, "destroy"},
		"compromised, revoked as DNS shows": {[]func(*scene){until(later), leaked, shows(dkim.RevokedRecord(record))},
			"destroy"},
		"compromised and revoked, and a signer says that it uses it": {[]func(*scene){leaked, func(s *scene) {
			s.Drift("old", plantest.KeyAt(2).ID, "mx2")
		}}, ""},
		"compromised, and its record stands": {[]func(*scene){until(later), leaked, func(s *scene) {
			key := s.Have.Earlier["old"].Key
			key.RevokedAt, key.Record = time.Time{}, record
		}, shows(record)}, "revoke"},
		"compromised, and no signer was given it": {[]func(*scene){leaked, func(s *scene) { s.Have.Former = nil }}, "destroy"},
		"a key of before is compromised, and its record stands": {[]func(*scene){func(s *scene) {
			sel := s.Have.Earlier["old"]
			sel.Key, sel.Past, sel.Retired[0].Leaked = nil, []string{sel.Key.ID}, true
		}, shows(record)}, "record-left"},
		"its record is empty, and it is not compromised": {[]func(*scene){func(s *scene) { s.Have.Earlier["old"].Revoked = true },
			shows(dkim.RevokedRecord(record))}, "record-left"},
		"it is one of the domain's again": {[]func(*scene){func(s *scene) { s.Have.Selectors["old"] = &rotate.Selector{} }}, ""},
		"it is one of the domain's again, and mail is on its way": {[]func(*scene){until(later), func(s *scene) {
			s.Have.Selectors["old"] = &rotate.Selector{Key: plantest.KeyAt(3)}
			s.Show("old")
		}}, ""},
		"compromised, and one beside it is not": {[]func(*scene){until(later), leaked, func(s *scene) {
			sel := s.Have.Earlier["old"]
			sel.Retired = append(sel.Retired, rotate.Retired{KeyID: "good", Version: 9})
		}}, "next destroy in 1h0m0s"},
	} {
		t.Run(title, func(t *testing.T) {
			s := left()
			for _, change := range c.changes {
				change(s)
			}
			if got := becomesOf(s); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestRecordsKeptInAMove: while a domain moves over, it is said how long the old records are to stay, by the longest
// drain that was promised, and a day of grace (I2).
func TestRecordsKeptInAMove(t *testing.T) {
	for title, c := range map[string]struct {
		drain time.Duration
		moves bool
		want  string
	}{
		"as the policy says": {0, true, "leave s1._domainkey.example.com and s2._domainkey.example.com in DNS for 8d"},
		"as was promised":    {9 * 24 * time.Hour, true, "in DNS for 10d"},
		"not moving":         {0, false, ""},
	} {
		s := plantest.Ready()
		for _, sel := range s.Have.Selectors {
			sel.Drain = c.drain
		}
		if c.moves {
			s.Want.Policy.Selectors = [2]string{"a", "b"}
			s.Have = follow.Moved(s.Have, s.Want.Policy, s.Want.Signers)
			s.Seen.Left = map[string]rotate.RecordSeen{"s1": {Sight: s.Seen.Selectors["s1"].Sight},
				"s2": {Sight: s.Seen.Selectors["s2"].Sight}}
			s.Show("a")
			s.Show("b")
		}
		p, said := s.Plan(), ""
		for _, w := range p.Warnings {
			if w.Code == codes.RecordKept {
				said = w.Message
			}
		}
		if (said == "") != (c.want == "") || !strings.Contains(said, c.want) || p.Stop != nil {
			t.Errorf("%s: %q; stopped by %v", title, said, p.Stop)
		}
	}
}
