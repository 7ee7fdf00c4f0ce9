package health_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// drifted is a scene in which some things are otherwise, and all that is found there.
type drifted struct {
	scene   func() *scene
	changes []func(*scene)
	want    string
	says    string // in a message or a repair
}

// finds holds what is found in each scene of a table.
func finds(t *testing.T, table map[string]drifted) {
	t.Helper()
	for title, d := range table {
		t.Run(title, func(t *testing.T) {
			s := d.scene()
			for _, change := range d.changes {
				change(s)
			}
			found, said := health.Drift(s.Now, s.Want.Domain, s.Have, s.Seen), ""
			for _, f := range found {
				said += f.Message + " / " + f.Repair + "; "
			}
			if got := plantest.Findings(found); got != d.want || !strings.Contains(said, d.says) {
				t.Errorf("found %q, want %q; %q in %s", got, d.want, d.says, said)
			}
		})
	}
}

// twoAccounts lets a domain have two DNS accounts, of which the second one's servers show other values at a selector.
func twoAccounts(selector string, second ...string) func(*scene) {
	return func(s *scene) {
		s.Want.Also = []string{"second"}
		partly(selector, second...)(s)
	}
}

// partly lets one server show other values at a selector.
func partly(selector string, values ...string) func(*scene) {
	return seen(selector, func(at *rotate.SelectorSeen) {
		own := at.Sight.Values
		at.Sight.Values, at.Sight.Complete, at.Sight.Lagging = append(own[:len(own):len(own)], values...), false, []string{"ns2 differs"}
		at.Sight.Shown = map[string][]string{"ns1": own, "ns2": values}
	})
}

// published notes when the key of a selector was published, and that it was not seen everywhere since.
func published(selector string, ago time.Duration) func(*scene) {
	return func(s *scene) {
		key := s.Have.Selectors[selector].Key
		key.PublishedAt, key.VerifiedAt = s.Now.Add(-ago), time.Time{}
	}
}

// TestDriftIsOfWhatWasLookedAt: what was not looked at, or not begun, does not differ, and of a signer that does not
// answer nothing is said that it would have to say.
func TestDriftIsOfWhatWasLookedAt(t *testing.T) {
	transient := fault.Temporary("ask", errors.New("no route to host"), "")
	finds(t, map[string]drifted{
		"nothing was published yet, and a panel has records there": {plantest.New, changes(func(s *scene) {
			s.Selector("s1").Tried, s.Selector("s2").Tried = []string{"a"}, []string{"b"}
			s.Show("s1", plantest.ForeignRecord)
		}), "", ""},
		"a selector was not looked at": {plantest.Ready, changes(func(s *scene) { delete(s.Seen.Selectors, "s2") }), "", ""},
		"a signer was not looked at":   {plantest.Ready, changes(func(s *scene) { delete(s.Seen.Signers, "mx2") }), "", ""},
		"a silent signer": {plantest.Ready, changes(func(s *scene) {
			s.Seen.Signers["mx2"] = rotate.SignerSeen{Err: transient, Refuses: transient, Overruled: "a line", Unkept: "a line"}
		}), "signer-silent mx2", "until it answers, no key is replaced;"},
		"a silent signer in an emergency": {plantest.Ready, changes(plantest.Leak("s2"), silent("mx2")), "signer-silent mx2",
			"no key is replaced but a compromised one"},
		"a new signer, while the keystore is silent": {plantest.Ready, changes(func(s *scene) {
			s.KeystoreSilent("s1")
			s.Want.Signers = append(s.Want.Signers, "mx3")
			s.Seen.Signers["mx3"] = rotate.SignerSeen{}
		}), "key-unread s1, signer-empty mx3", "as soon as the keystore answers"},
		"a signer off the list with hosts at an earlier selector and at a present one": {plantest.Ready, changes(func(s *scene) {
			s.Have.Earlier = rotate.Earlier{"a": {Key: plantest.KeyAt(3)}}
			s.Want.Signers = []string{"mx1"}
			delete(s.Seen.Signers, "mx2")
			s.Have.Signers["mx2"] = rotate.Confirmed{Selector: "a", KeyID: plantest.Keys()[3].ID(), Left: true}
			s.Seen.Dismissed = map[string]rotate.SignerSeen{"mx2": {Ref: plantest.RefTo("a", 3), Here: plantest.RefTo("s1", 0)}}
			s.Seen.Left = map[string]rotate.RecordSeen{"a": {Sight: rotate.Sight{Values: []string{plantest.Record(plantest.Keys()[3])},
				Complete: true}}}
		}), "signer-left-over mx2!", "the record is kept as long as it does"},
	})
}

// TestDriftOfRecords: a record is said to be published again where that is done, and not before all accounts can have
// taken it; what somebody else wrote is told from dkimbot's own.
func TestDriftOfRecords(t *testing.T) {
	quiet := seen("s1", func(at *rotate.SelectorSeen) { at.Sight.Silent = true })
	rejected := seen("s1", func(at *rotate.SelectorSeen) { at.Sight.Bogus = []string{"ns2: the signature has expired"} })
	intent := func(kind rotate.Kind, selector string) func(*scene) {
		return func(s *scene) { s.Have.Intent = &rotate.Intent{Kind: kind, Selector: selector} }
	}
	again, waits := "it is published again by itself", "dkimbot looks again"
	finds(t, map[string]drifted{
		"two records of others": {plantest.Ready, changes(func(s *scene) {
			s.Show("s2", plantest.ForeignRecord, plantest.Record(plantest.Keys()[3]))
		}), "record-foreign s2!", "holds 2 records"},
		"not at one account":                              {plantest.Ready, changes(twoAccounts("s1")), "servers-differ s1", again},
		"not at one account, whose servers do not answer": {plantest.Ready, changes(twoAccounts("s1"), quiet), "servers-differ s1", waits},
		"not at one account, and rejected":                {plantest.Ready, changes(twoAccounts("s1"), rejected), "record-bogus s1!", "signed again"},
		"foreign at one account, nothing at the other": {plantest.Ready, changes(func(s *scene) {
			s.Show("s2", plantest.ForeignRecord)
		}, twoAccounts("s2")), "record-foreign s2!", ""},
		"not at one account, lately published":      {plantest.Ready, changes(twoAccounts("s1"), published("s1", 9*time.Minute)), "servers-differ s1", waits},
		"not at one account, published a while ago": {plantest.Ready, changes(twoAccounts("s1"), published("s1", 11*time.Minute)), "servers-differ s1", again},
		"not at one account, and being published": {plantest.Ready,
			changes(twoAccounts("s1"), published("s1", time.Minute), intent(rotate.Publish, "s1")), "servers-differ s1", again},
		"not at one account, the other is being published": {plantest.Ready,
			changes(twoAccounts("s1"), published("s1", time.Minute), intent(rotate.Publish, "s2")), "servers-differ s1", waits},
		"not at one account, and being verified": {plantest.Ready,
			changes(twoAccounts("s1"), published("s1", time.Minute), intent(rotate.Verify, "s1")), "servers-differ s1", waits},
		"not at one server, published half an hour ago": {plantest.Ready,
			changes(partly("s1"), published("s1", 30*time.Minute)), "servers-differ s1", waits},
		"not at one server, published two hours ago": {plantest.Ready,
			changes(partly("s1"), published("s1", 2*time.Hour)), "servers-differ s1", again},
		"a new domain's, which is not seen yet": {plantest.Bootstrapping,
			changes(published("s2", time.Minute), func(s *scene) { s.Show("s2") }), "", ""},
		"not at a selector that the domain moves away from, and never seen there": {plantest.Bootstrapping, changes(had, unasked("mx2"),
			noted(rotate.Former{Selector: "a"}), func(s *scene) {
				s.Have.Earlier["a"].Key.Leaked, s.Have.Earlier["a"].Key.VerifiedAt = time.Time{}, time.Time{}
				s.Seen.Left = map[string]rotate.RecordSeen{"a": {Sight: rotate.Sight{Complete: true}}}
			}), "record-vanished a", "a signer may still sign with it"},
		"an earlier record at one account": {plantest.Ready, changes(func(s *scene) { s.Past("s1", plantest.Keys()[3].ID()) },
			twoAccounts("s1", plantest.Record(plantest.Keys()[3]))), "servers-differ s1", "ns2 differs / it is published again"},
		"in test mode, compromised, nowhere to go": {plantest.Ready, changes(plantest.Leak("s1"), lost("s2"), tagged("s1", "t=y")),
			"record-foreign s1, key-missing s2!", "it goes when that is revoked"},
		"an earlier record, compromised, nowhere to go": {plantest.Ready, changes(plantest.Leak("s1"), lost("s2"), func(s *scene) {
			s.Past("s1", plantest.Keys()[3].ID())
			s.Show("s1", plantest.Record(plantest.Keys()[3]))
		}), "record-earlier s1, key-missing s2!", again},
		"an emptied record of ours, its key compromised": {plantest.Ready, changes(plantest.Leak("s1"), func(s *scene) {
			s.Have.Selectors["s1"].Revoked = true
			s.Show("s1", dkim.RevokedRecord(s.Have.Selectors["s1"].Key.Record))
		}), "mail-fails s1!", ""},
	})
}

// TestLacksItsRecord: somebody else's record stays where it stands, and dkimbot's own is to be published at a DNS account
// that shows nothing; not where resolvers reject the zone, nor where there is one account, whose servers may be slow (I6).
func TestLacksItsRecord(t *testing.T) {
	foreign := func(s *scene) { s.Show("s2", plantest.ForeignRecord) }
	rejected := seen("s2", func(at *rotate.SelectorSeen) { at.Sight.Bogus = []string{"ns2: the signature has expired"} })
	says := func(j *health.Judge) any {
		f := (&health.Check{Judge: *j}).Lost("s2")
		if f == nil {
			return ""
		}
		return plantest.Findings([]finding.Finding{*f}) + ": " + f.Message + "; " + f.Repair
	}
	hold(t, map[string]verdict{
		"nothing at the second account": {plantest.Ready, changes(foreign, twoAccounts("s2")), says, "servers-differ s2: a DNS account " +
			"of the domain (office and second) shows no record at s2._domainkey.example.com; it is published again by itself"},
		"and the zone is rejected":   {plantest.Ready, changes(foreign, twoAccounts("s2"), rejected), says, ""},
		"nothing at a server":        {plantest.Ready, changes(foreign, partly("s2")), says, ""},
		"another's at both accounts": {plantest.Ready, changes(foreign, twoAccounts("s2", plantest.ForeignRecord)), says, ""},
		"the keystore holds another key": {plantest.Ready, changes(strange("s2"), func(s *scene) { s.Show("s2") }), says,
			"record-vanished s2!: the record that dkimbot published at s2._domainkey.example.com is missing from DNS; it is not " +
				"published again: the keystore holds another key in its place; see what is said of that"},
	})
}

func strange(selector string) func(*scene) {
	return func(s *scene) { s.Hold(selector, plantest.Keys()[3].ID(), 8) }
}

// TestSignerWords: what is said of a signer that signs otherwise than it should is so, and so is what becomes of it.
func TestSignerWords(t *testing.T) {
	finds(t, map[string]drifted{
		"DNS is not to be asked": {plantest.Ready, changes((*scene).Uncheck, strays("s2", 1, "mx2")), "signer-strays mx2",
			"its mail verifies as long as both are published"},
		"DNS can't be asked, and its key is being revoked": {plantest.Ready, changes(revokes("s2"),
			func(s *scene) {
				s.Seen.Selectors["s2"] = rotate.SelectorSeen{KeyID: plantest.Keys()[1].ID(), SightErr: errors.New("no")}
			},
			strays("s2", 1, "mx2")), "record-unseen s2, signer-strays mx2", "its mail may fail"},
		"a third selector of dkimbot's": {plantest.Ready, changes(func(s *scene) { s.Selector("s3").Key = plantest.KeyAt(3) },
			strays("s3", 2, "mx2")), "signer-strays mx2", "which is not the one that dkimbot has there"},
		"a new domain's, with another key": {plantest.Bootstrapping, changes(func(s *scene) { s.Sign("s1", "mx1") },
			strays("s9", 3, "mx1")), "signer-strays mx1", "it is given the key of s1 by itself"},
		"changed by another program": {plantest.Ready, changes(func(s *scene) {
			s.Have.Signers["mx2"] = rotate.Confirmed{Selector: "s1", KeyID: plantest.Keys()[0].ID(), Undone: 3}
		}, strays("s2", 1, "mx2")), "signer-strays mx2", "another program has changed it 3 times in a row"},
		"a switch, to the other key": {plantest.Switching, changes(strays("s9", 3, "mx2")), "signer-strays mx2",
			"the switch in progress gives it the key of s2 by itself"},
		"a switch, from which it was sent back": {plantest.Switching,
			changes(strays("s9", 3, "mx2"), func(s *scene) { s.Have.Held = []string{"mx2"} }), "signer-strays mx2",
			"it is brought back to s1 by itself"},
		"a switch, from which the other one was": {plantest.Switching,
			changes(strays("s9", 3, "mx2"), func(s *scene) { s.Have.Held = []string{"mx1"} }), "signer-strays mx2",
			"the switch in progress gives it the key of s2 by itself"},
		"a switch, some servers silent": {plantest.Switching, changes(strays("s9", 3, "mx2"), func(s *scene) { s.Mute("s2") }),
			"servers-differ s2, signer-strays mx2", "the switch in progress gives it the key of s2 by itself"},
		"a switch, servers differ": {plantest.Switching, changes(strays("s9", 3, "mx2"), func(s *scene) { s.Lag("s2") }),
			"servers-differ s2, signer-strays mx2", "it is brought back to s1 by itself"},
		"a switch, the other key lost": {plantest.Switching, changes(strays("s9", 3, "mx2"), lost("s2")),
			"key-missing s2!, signer-strays mx2", "it is brought back to s1 by itself"},
		"a switch, the other key compromised": {plantest.Switching, changes(strays("s9", 3, "mx2"), plantest.Leak("s2")),
			"signer-strays mx2", "it is brought back to s1 by itself"},
		"a switch from a compromised key, to another's record": {plantest.Switching, changes(plantest.Leak("s1"),
			func(s *scene) { s.Show("s2", plantest.ForeignRecord) }, strays("s9", 3, "mx2")),
			"mail-fails s2, record-foreign s2!, signer-strays mx2", "the key of s1 is compromised and no signer is given it again"},
		"a switch from a compromised key, to a key that is lost": {plantest.Switching, changes(plantest.Leak("s1"), lost("s2"),
			strays("s9", 3, "mx2")), "key-missing s2!, signer-strays mx2", "the key of s1 is compromised and no signer is given it again"},
		"a switch from a compromised key, and none has left it": {plantest.Switching, changes(plantest.Leak("s1"),
			func(s *scene) { s.Sign("s1", "mx1", "mx2"); s.Show("s2", plantest.ForeignRecord) }, strays("s9", 3, "mx2")),
			"record-foreign s2!, signer-strays mx2", "it is brought back to s1 by itself"},
		"a compromised key beside another's record, nowhere to go": {plantest.Ready, changes(plantest.Leak("s1"), lost("s2"),
			func(s *scene) { s.Show("s1", plantest.ForeignRecord); s.Drift("", "", "mx2") }),
			"mail-fails s1!, record-foreign s1!, key-missing s2!, signer-empty mx2",
			"the key of s1 is compromised and no signer is given it again"},
		"another's record in the place of a compromised key's, nowhere to go": {plantest.Ready, changes(plantest.Leak("s1"),
			lost("s2"), func(s *scene) { s.Show("s1", plantest.ForeignRecord) }),
			"mail-fails s1!, record-foreign s1!, key-missing s2",
			"all mail of example.com fails now: it is signed with s1, whose key is compromised and in no record of DNS that " +
				"verifiers accept"},
		"another's record in the place of a compromised key's, what follows": {plantest.Ready, changes(plantest.Leak("s1"),
			lost("s2"), func(s *scene) { s.Show("s1", plantest.ForeignRecord) }),
			"mail-fails s1!, record-foreign s1!, key-missing s2",
			"remove it: dkimbot then publishes its own again, though its key is compromised, because"},
		"a compromised key, and all keys are lost": {plantest.Ready, changes(plantest.Leak("s1"), lost("s1", "s2"), nothing),
			"key-missing s1!, key-missing s2!, signer-empty mx1!, signer-empty mx2!", "it can't be given the key of s1"},
		"a move that the state does not know": {plantest.Ready, changes(plantest.Leak("s1"), strays("n1", 3, "mx2"), func(s *scene) {
			s.Want.Policy.Selectors = [2]string{"n1", "n2"}
			s.Seen.Left = map[string]rotate.RecordSeen{"n1": {Sight: rotate.Sight{Complete: true,
				Values: []string{plantest.Record(plantest.Keys()[3])}}}}
		}), "signer-strays mx2", "nothing is changed until the state is a newer one"},
		"a host built again that fetches its keys": {plantest.Ready, changes(func(s *scene) { s.KeystoreSilent("s1") }, nothing,
			fetches), "key-unread s1, signer-empty mx1, signer-empty mx2", "turned away / it is given the key of s1 by itself;"},
		"one that strays and fetches its keys": {plantest.Ready, changes(func(s *scene) { s.KeystoreSilent("s1") },
			strays("s9", 3, "mx1"), fetches), "key-unread s1, signer-strays mx1", "as soon as that can be read from the keystore"},
		"a new domain's that signs with nothing, servers differ": {plantest.Bootstrapping,
			changes(func(s *scene) { s.Sign("s1", "mx1"); s.Drift("", "", "mx1"); s.Lag("s1") }), "servers-differ s1, signer-empty mx1",
			"it is given the key of s1 when the servers agree on its record"},
		"a compromised key, and an older state": {plantest.Ready, changes(plantest.Leak("s1"),
			func(s *scene) { s.Stands("s1", 3) }, strays("s9", 2, "mx2")),
			"mail-fails s1!, record-foreign s1!, key-different s1!, signer-strays mx2",
			"signers leave s1, whose key is compromised: it is given the key of s2 by itself"},
	})
}

// TestCauseOfFindings: findings that an older state or keystore causes say so, since one way out leads out of all; what
// is somebody else's has no such cause.
func TestCauseOfFindings(t *testing.T) {
	for want, change := range map[codes.Code]func(*scene){
		codes.StaleState: func(s *scene) { s.Stands("s2", 3) },
		codes.OldKeystore: func(s *scene) {
			s.Have.Selectors["s2"].Past = []string{plantest.Keys()[3].ID()}
			s.Hold("s2", plantest.Keys()[3].ID(), 1)
		},
		"": func(s *scene) { s.Hold("s2", plantest.Keys()[3].ID(), 8); s.Show("s1", plantest.ForeignRecord) },
	} {
		s := plantest.Ready()
		change(s)
		found := health.Drift(s.Now, s.Want.Domain, s.Have, s.Seen)
		if len(found) == 0 {
			t.Errorf("%q: nothing is found", want)
		}
		for _, f := range found {
			if f.Cause != want {
				t.Errorf("%s has the cause %q instead of %q", plantest.Findings(found), f.Cause, want)
			}
		}
	}
}
