package health_test

import (
	"errors"
	"slices"
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

type scene = plantest.Scene

func TestDrift(t *testing.T) {
	other, transient := plantest.Keys()[3], fault.Temporary("ask", errors.New("no route to host"), "")
	unseen := func(s *scene, selector string, dns, keys error) {
		seen := s.Seen.Selectors[selector]
		if dns != nil {
			seen.Sight = rotate.Sight{}
		}
		seen.SightErr, seen.KeyErr, seen.KeyID = dns, keys, ""
		s.Seen.Selectors[selector] = seen
	}
	leak := func(s *scene) { s.Have.Selectors["s1"].Key.Leaked = plantest.Now }
	dead := func(s *scene) {
		leak(s)
		key := s.Have.Selectors["s1"].Key
		key.RevokedAt, key.Record = plantest.Now, dkim.RevokedRecord(key.Record)
		s.Show("s1", key.Record)
	}
	behind := func(s *scene) { // one server goes on with the zone from before the revocation
		dead(s)
		seen, key := s.Seen.Selectors["s1"], plantest.Record(plantest.Keys()[0])
		seen.Sight.Shown = map[string][]string{"ns1": seen.Sight.Values, "ns2": {key}}
		seen.Sight.Values, seen.Sight.Complete = append(slices.Clone(seen.Sight.Values), key), false
		s.Seen.Selectors["s1"] = seen
	}
	cornered := func(s *scene) { leak(s); s.Hold("s2", "", 2) }
	left := func(s *scene, values ...string) {
		key := plantest.KeyAt(3)
		key.Leaked = plantest.Now
		s.Have.Earlier = rotate.Earlier{"a": {Key: key, Retired: []rotate.Retired{{KeyID: key.ID, Version: 1, Leaked: true}}}}
		s.Seen.Left = map[string]rotate.RecordSeen{"a": {Sight: rotate.Sight{Values: values, Complete: true}}}
	}
	dismissed := func(s *scene, says rotate.SignerSeen) {
		s.Want.Signers = []string{"mx1"}
		delete(s.Seen.Signers, "mx2")
		s.Seen.Dismissed = map[string]rotate.SignerSeen{"mx2": says}
	}
	unfound := map[codes.Code]bool{}
	for _, code := range plantest.Codes(t, "Drift.") {
		unfound[code] = true
	}
	if len(unfound) != 23 {
		t.Fatalf("%d codes", len(unfound))
	}
	for title, tt := range map[string]struct {
		scene  func() *scene
		change func(*scene)
		want   string
		says   string // in a message or a repair
	}{
		"new":           {plantest.New, func(s *scene) { s.Show("s1", plantest.Record(other)) }, "", ""},
		"bootstrapping": {plantest.Bootstrapping, nil, "", ""},
		"bootstrapping, published and not seen yet": {plantest.Bootstrapping,
			func(s *scene) { s.Have.Selectors["s2"].Key.VerifiedAt = time.Time{}; s.Show("s2") }, "", ""},
		"bootstrapping, vanished": {plantest.Bootstrapping, func(s *scene) { s.Show("s2") }, "record-vanished s2",
			"published again by itself"},
		"ready":     {plantest.Ready, nil, "", ""},
		"switching": {plantest.Switching, nil, "", ""},
		"switching, the other has followed": {plantest.Switching,
			func(s *scene) { s.Drift("s2", plantest.Keys()[1].ID(), "mx2") }, "", ""},
		"draining":          {plantest.Draining, nil, "", ""},
		"replacing, stored": {plantest.Stored, nil, "", ""},
		"replacing, published": {plantest.Published,
			func(s *scene) { s.Show("s1", plantest.Record(plantest.Keys()[0])) }, "", ""},
		"replacing, seen": {plantest.Replaced, nil, "", ""},

		"other accounts": {plantest.Ready, func(s *scene) {
			s.Have.Exchanged = &finding.Exchange{From: []string{"lab"}}
			s.Show("s2")
		}, "accounts-swapped !, servers-differ s2", "which dkimbot published at lab"},
		"a compromised key at an account of earlier": {plantest.Ready, func(s *scene) {
			s.Have.Parted = finding.Partings{{Account: "lab", Selector: "s1", Leaked: plantest.Now}, {Account: "far", Selector: "s2"}}
		}, "record-elsewhere s1!", "list lab again until dkimbot has replaced it there"},
		"vanished": {plantest.Ready, func(s *scene) { s.Show("s2") }, "record-vanished s2", "is missing from DNS"},
		"a compromised key of earlier": {plantest.Ready, func(s *scene) { left(s, plantest.Record(other)) },
			"record-exposed a", "it is revoked by itself"},
		"a compromised key of earlier, used": {plantest.Ready, func(s *scene) {
			left(s, plantest.Record(other))
			s.Have.Former = rotate.Formers{{Selector: "a", Signer: "mx2"}}
			s.Unsure("mx2")
			s.Have.Selectors["s1"].Key.Leaked = plantest.Now
		}, "record-exposed a", "when the first signer has left it"},
		"a compromised key of earlier, beside another's": {plantest.Ready,
			func(s *scene) { left(s, plantest.Record(other), plantest.ForeignRecord) }, "record-exposed a!", "remove those at a._domainkey.example.com"},
		"a compromised key of earlier, revoked": {plantest.Ready, func(s *scene) {
			left(s, dkim.RevokedRecord(plantest.Record(other)))
			s.Have.Earlier["a"].Past, s.Have.Earlier["a"].Revoked = []string{other.ID()}, true
		}, "", ""},
		"a compromised key of earlier, removed": {plantest.Ready, func(s *scene) { left(s) }, "", ""},
		"cut out of a signed zone": {plantest.Ready, func(s *scene) {
			s.Show("s2")
			seen := s.Seen.Selectors["s2"]
			seen.Sight.Complete, seen.Sight.Bogus = false, []string{"ns1: shows no record, and nothing proves it"}
			s.Seen.Selectors["s2"] = seen
		}, "record-vanished s2", "cut out of the signed zone: ns1: shows no record"},
		"an earlier record": {plantest.Ready,
			func(s *scene) {
				s.Have.Selectors["s2"].Past = []string{other.ID()}
				s.Show("s2", plantest.Record(other))
			},
			"record-earlier s2", dkim.ShortID(other.ID())},
		"two of ours": {plantest.Ready, func(s *scene) {
			s.Show("s2", plantest.Record(plantest.Keys()[1]), plantest.Record(plantest.Keys()[1]))
		},
			"records-doubled s2", "either"},
		"a foreign record": {plantest.Ready, func(s *scene) { s.Show("s2", plantest.Record(other)) },
			"record-foreign s2!",
			"remove it: dkimbot then publishes its own again"},
		"a second record": {plantest.Ready,
			func(s *scene) { s.Show("s2", plantest.Record(plantest.Keys()[1]), plantest.Record(other)) },
			"record-second s2!", "holds 2 records"},
		"other tags":          {plantest.Ready, tagged("s1", "t=s"), "record-rewritten s1", "rewritten (t=s added); mail"},
		"other tags, strict":  {plantest.Ready, tagged("s2", "t=s"), "record-rewritten s2", "unless its i= names a subdomain"},
		"other tags, at rest": {plantest.Draining, tagged("s1", "h=sha256"), "record-rewritten s1", "until its key is replaced"},
		"other tags, on the fresh one": {plantest.Replaced, tagged("s1", "h=sha256"), "record-rewritten s1",
			"'dkimbot status --domain example.com --json' shows"},
		"another note":         {plantest.Ready, tagged("s1", "n=panel"), "", ""},
		"in test mode":         {plantest.Ready, tagged("s2", "t=y"), "record-foreign s2!", "was rewritten (t=y added): receivers treat"},
		"in test mode, active": {plantest.Ready, tagged("s1", "t=y"), "record-foreign s1!", "counts as unsigned until then; signers leave"},
		"of no use":            {plantest.Ready, tagged("s1", "h=sha1"), "mail-fails s1, record-foreign s1!", "shows, or remove it: dkimbot then publishes"},
		"of no use, compromised": {plantest.Ready, func(s *scene) { leak(s); tagged("s1", "h=sha1")(s) },
			"mail-fails s1!, record-foreign s1", "it goes when that is revoked"},
		"in test mode, a signer empty": {plantest.Ready, func(s *scene) { tagged("s1", "t=y")(s); s.Drift("", "", "mx2") },
			"record-foreign s1!, signer-empty mx2", "it is given the key of s2 by itself"},
		"a broken signature": {plantest.Ready, func(s *scene) {
			s.Lag("s2")
			seen := s.Seen.Selectors["s2"]
			seen.Sight.Bogus = []string{"ns1: its signature expired"}
			s.Seen.Selectors["s2"] = seen
		}, "record-bogus s2!", "its signature expired"},
		"signers sign with a revoked key": {plantest.Ready, func(s *scene) { dead(s); s.Lag("s2") },
			"mail-fails s1!, servers-differ s2", "all mail of example.com fails now"},
		"signers sign with a revoked key, a server is behind": {plantest.Ready, func(s *scene) { behind(s); s.Lag("s2") },
			"mail-fails s1!, servers-differ s1, servers-differ s2", "except where receivers ask ns2, which shows the key"},
		"a server is behind": {plantest.Ready, func(s *scene) { behind(s); s.Lag("s2") },
			"mail-fails s1!, servers-differ s1, servers-differ s2", "; ns2 still shows the compromised key"},
		"one of them does": {plantest.Ready, func(s *scene) { dead(s); s.Drift("s2", plantest.Keys()[1].ID(), "mx2"); s.Lag("s2") },
			"mail-fails s1!, servers-differ s2, signer-strays mx2", "through mx1 fails now"},
		"a server lags": {plantest.Ready, func(s *scene) { s.Lag("s2") }, "servers-differ s2", "ns2 lags"},
		"DNS silent": {plantest.Ready,
			func(s *scene) { unseen(s, "s1", transient, nil); s.Hold("s1", plantest.Keys()[0].ID(), 1) },
			"record-unseen s1", "no route to host"},

		"a private key gone": {plantest.Ready, func(s *scene) { s.Hold("s2", "", 2) }, "key-missing s2",
			"a fresh key takes its place"},
		"the active's": {plantest.Ready, func(s *scene) { s.Hold("s1", "", 0) }, "key-missing s1!",
			"switch to s2: 'dkimbot rotate --domain example.com'"},
		"both": {plantest.Ready, func(s *scene) { s.Hold("s1", "", 0); s.Hold("s2", "", 0) },
			"key-missing s1!, key-missing s2!", "names the right keystore"},
		"and a signer silent": {plantest.Ready,
			func(s *scene) {
				s.Hold("s2", "", 2)
				s.Seen.Signers["mx1"] = rotate.SignerSeen{Err: transient}
			},
			"key-missing s2!, signer-silent mx1", "restore it"},
		"the target's": {plantest.Switching, func(s *scene) { s.Hold("s2", "", 2) },
			"key-missing s2!", "rollback"},
		"the draining one's": {plantest.Draining, func(s *scene) { s.Hold("s1", "", 1) }, "key-missing s1",
			"when the drain is over"},
		"the fresh one": {plantest.Stored, func(s *scene) { s.Hold("s1", plantest.Keys()[0].ID(), 1) },
			"key-missing s1", "another fresh key takes its place by itself"},
		"a foreign secret": {plantest.Ready, func(s *scene) { s.Hold("s2", other.ID(), 3) }, "key-different s2!",
			"restore the state database"},
		"a foreign secret after ours": {plantest.Ready, func(s *scene) { s.Hold("s2", other.ID(), 3); s.Keep("s2") },
			"key-different s2!", "dkimbot's own is version 2"},
		"a foreign secret, destroyed": {plantest.Ready, func(s *scene) { s.Hold("s2", "", 3); s.Keep("s2") }, "", ""},
		"one tried before": {plantest.Stored,
			func(s *scene) {
				s.Have.Selectors["s1"].Tried = []string{other.ID()}
				s.Hold("s1", other.ID(), 4)
			}, "", ""},
		"a secret that is not a key": {plantest.Ready, func(s *scene) {
			unseen(s, "s2", nil, &fault.Error{Kind: fault.Refused, Code: "foreign-secret", What: "read s2",
				Hint: "look"})
		}, "key-different s2!", "look"},
		"a secret deleted by somebody": {plantest.Ready, func(s *scene) {
			unseen(s, "s2", nil, &fault.Error{Kind: fault.Refused, Code: "deleted-secret", What: "read s2",
				Hint: "undelete"})
		}, "key-missing s2!", "undelete"},
		"keystore silent": {plantest.Ready, func(s *scene) { unseen(s, "s2", nil, transient) }, "key-unread s2",
			"no route to host"},

		"a signer on the standby": {plantest.Ready, func(s *scene) { s.Drift("s2", plantest.Keys()[1].ID(), "mx2") },
			"signer-strays mx2", "verifies as long as both are published"},
		"a signer on an unknown selector": {plantest.Ready, func(s *scene) { s.Drift("s9", other.ID(), "mx2") },
			"signer-strays mx2", "brought back to s1"},
		"a signer with a replaced key": {plantest.Ready, func(s *scene) { s.Drift("s1", other.ID(), "mx2") },
			"signer-strays mx2", "its mail fails"},
		"a signer that switched with another key": {plantest.Switching, func(s *scene) { s.Drift("s2", other.ID(), "mx2") },
			"signer-strays mx2", "the switch in progress gives it the key of s2 by itself"},
		"a signer that knows its selector": {plantest.Ready, func(s *scene) { s.Drift("s1", "", "mx2") }, "", ""},
		"a rebuilt host": {plantest.Ready, func(s *scene) { s.Drift("", "", "mx2") }, "signer-empty mx2",
			"its mail leaves unsigned"},
		"a rebuilt host while bootstrapping": {plantest.Bootstrapping,
			func(s *scene) { s.Sign("s1", "mx1"); s.Drift("", "", "mx1") }, "signer-empty mx1", "the key of s1"},
		// True words: of a compromised key nothing is promised that is not done.
		"a rebuilt host, the key compromised": {plantest.Ready, func(s *scene) { leak(s); s.Drift("", "", "mx2") },
			"signer-empty mx2", "signers leave s1, whose key is compromised: it is given the key of s2 by itself"},
		"a rebuilt host, the key compromised, nowhere to go": {plantest.Ready,
			func(s *scene) {
				cornered(s)
				s.Have.Selectors["s1"].Key.RevokeNow = true
				s.Drift("", "", "mx2")
			},
			"key-missing s2!, signer-empty mx2", "no signer is given it again"},
		"a rebuilt host, a foreign record": {plantest.Ready,
			func(s *scene) { s.Show("s1", plantest.Record(other)); s.Drift("", "", "mx2") },
			"mail-fails s1, record-foreign s1!, signer-empty mx2", "it is given the key of s2 by itself, with the others"},
		"a rebuilt host, a foreign record, on hold": {plantest.Ready, func(s *scene) {
			s.Show("s1", plantest.Record(other))
			s.Drift("", "", "mx2")
			s.Have.OnHold = &rotate.OnHold{At: plantest.LongAgo}
		}, "mail-fails s1!, record-foreign s1!, signer-empty mx2", "'dkimbot unhold --domain example.com' lets them go to s2"},
		"a foreign record where signers are": {plantest.Switching,
			func(s *scene) { s.Show("s2", plantest.Record(other)) },
			"mail-fails s2, record-foreign s2!", "mail of example.com through mx1 fails now"},
		"a foreign record, the key compromised": {plantest.Ready,
			func(s *scene) { leak(s); s.Show("s1", plantest.Record(other)) },
			"mail-fails s1!, record-foreign s1!", "dkimbot revokes it when the other record is removed"},
		"the record is gone, the key compromised, nowhere to go": {plantest.Ready, func(s *scene) { cornered(s); s.Show("s1") },
			"record-vanished s1, key-missing s2", "it is published again by itself, though its key is compromised, because signers " +
				"can't be given another one yet; 'dkimbot rotate --domain example.com --compromised --revoke-now' has it revoked " +
				"instead, and no mail fails by that which does not fail already"},
		"a server lacks the record, the key compromised, nowhere to go": {plantest.Ready, func(s *scene) {
			cornered(s)
			s.Past("s1", other.ID())
			s.Show("s1", plantest.Record(plantest.Keys()[0]), plantest.Record(other))
		}, "records-doubled s1, key-missing s2!", "--revoke-now' has it revoked instead; "},

		"a silent signer": {plantest.Ready, func(s *scene) {
			s.Seen.Signers["mx2"] = rotate.SignerSeen{Err: fault.Lasting("ask mx2", errors.New("no"), "repair mx2")}
		}, "signer-silent mx2!", "repair mx2"},
		"a signer that would refuse a switch": {plantest.Ready, func(s *scene) {
			s.Seen.Signers["mx2"] = rotate.SignerSeen{Ref: s.Seen.Signers["mx2"].Ref,
				Refuses: fault.Refuse(codes.UnreadableTable,
					"use table /t", "run: chmod o+r /t")}
		}, "signer-stuck mx2!", "chmod o+r"},
		"a line of others that counts": {plantest.Ready, func(s *scene) {
			s.Drift("own", other.ID(), "mx2")
			seen := s.Seen.Signers["mx2"]
			seen.Overruled = "line 1 of /t, which dkimbot did not write, counts"
			s.Seen.Signers["mx2"] = seen
		}, "signer-strays mx2, signer-overruled mx2!", "line 1 of /t, which dkimbot did not write, counts / see who wrote that"},
		"a line of others that counts with the next reload": {plantest.Ready, func(s *scene) {
			s.Seen.Signers["mx2"] = rotate.SignerSeen{Ref: s.Seen.Signers["mx2"].Ref, Overruled: "line 1 of /t counts"}
		}, "signer-overruled mx2!", "in the files of signer mx2, line 1 of /t counts"},
		"a signer that would not sign after its next start": {plantest.Ready, func(s *scene) {
			s.Seen.Signers["mx2"] = rotate.SignerSeen{Ref: s.Seen.Signers["mx2"].Ref, Unkept: "/t is missing"}
		}, "signer-unkept mx2", "in the files of signer mx2, /t is missing / dkimbot writes its lines again by itself"},
		"one that refuses to be given its key again": {plantest.Ready, func(s *scene) {
			s.Seen.Signers["mx2"] = rotate.SignerSeen{Ref: s.Seen.Signers["mx2"].Ref, Unkept: "/t is missing",
				Refuses: fault.Refuse(codes.MissingTable, "edit the tables", "make it")}
		}, "signer-stuck mx2!, signer-unkept mx2!",
			"in the files of signer mx2, /t is missing / dkimbot can't write its lines again until somebody does this: make it"},
		"one that refuses another key only": {plantest.Ready, func(s *scene) {
			s.Seen.Signers["mx2"] = rotate.SignerSeen{Ref: s.Seen.Signers["mx2"].Ref, Unkept: "/t is missing", RefusesOnly: "s2",
				Refuses: fault.Refuse(codes.MissingTable, "edit the tables", "make it")}
		}, "signer-stuck mx2!, signer-unkept mx2", "/t is missing / dkimbot writes its lines again by itself"},
		"an empty one that refuses its key": {plantest.Ready, func(s *scene) {
			s.Drift("", "", "mx2")
			seen := s.Seen.Signers["mx2"]
			seen.Refuses = fault.Refuse(codes.MissingTable, "edit the tables", "make it")
			s.Seen.Signers["mx2"] = seen
		}, "signer-empty mx2!, signer-stuck mx2!", "it can't be given the key of s1 until the signer takes it"},
		"a new signer": {plantest.Ready, func(s *scene) {
			s.Want.Signers = append(s.Want.Signers, "mx3")
			s.Seen.Signers["mx3"] = rotate.SignerSeen{}
		}, "", ""},
		// True words: a private key that is there is not said to be gone, and nobody is told to go
		// back to a compromised key.
		"fled to the old key while it was replaced": {plantest.Switching, func(s *scene) {
			leak(s)
			s.Have.Selectors["s2"].Retired = []rotate.Retired{{KeyID: other.ID(), Version: 3, Dropped: true}}
			s.Hold("s2", other.ID(), 3)
			s.OldKept("s2", true)
		}, "", ""},
		"fled to a key that is gone": {plantest.Switching, func(s *scene) { leak(s); s.Hold("s2", "", 2) },
			"key-missing s2!", "restore it from a backup of the keystore;"},
		"the active's while draining": {plantest.Draining, func(s *scene) { s.Hold("s2", "", 2) }, "key-missing s2!",
			"or go back: 'dkimbot rollback --domain example.com'"},
		"the active's while replacing": {plantest.Stored, func(s *scene) { s.Hold("s2", "", 2) }, "key-missing s2!",
			"restore it from a backup of the keystore;"},
		"the active's, the other leaked": {plantest.Draining, func(s *scene) { leak(s); s.Hold("s2", "", 2) },
			"key-missing s2!", "restore it from a backup of the keystore;"},
		"the active's, which is compromised": {plantest.Ready, func(s *scene) { leak(s); s.Hold("s1", "", 0) },
			"key-missing s1",
			"signers leave it for s2"},
		// I2: a compromised key that somebody revoked by hand is not published again, though there is no other.
		"a compromised key, revoked by hand": {plantest.Ready,
			func(s *scene) {
				cornered(s)
				s.Show("s1", emptied(plantest.Keys()[0]))
				s.Drift("", "", "mx2")
			},
			"mail-fails s1!, key-missing s2!, signer-empty mx2", "no signer is given it again"},
		"a signer left over, its key replaced": {plantest.Ready, func(s *scene) {
			s.Want.Signers = []string{"mx1"}
			s.Have.Selectors["s2"].Past = []string{other.ID()}
			s.Have.Signers["mx2"] = rotate.Confirmed{Selector: "s2", KeyID: other.ID(), Left: true, Silent: true}
		}, "signer-left-over mx2!", "because that key was replaced"},
		"a signer left over, its key replaced twice": {plantest.Ready, func(s *scene) {
			s.Want.Signers = []string{"mx1"}
			s.Have.Selectors["s2"].Past = []string{other.ID(), plantest.Keys()[2].ID()}
			s.Have.Signers["mx2"] = rotate.Confirmed{Selector: "s2", KeyID: other.ID(), Left: true, Silent: true}
		}, "", ""},
		"a signer left over": {plantest.Ready, func(s *scene) { s.Want.Signers = []string{"mx1"} },
			"signer-left-over mx2", "list it again"},
		"a signer left over that does not sign any more": {plantest.Ready, func(s *scene) { dismissed(s, rotate.SignerSeen{}) }, "", ""},
		"a signer left over that signs with another key": {plantest.Ready,
			func(s *scene) { dismissed(s, rotate.SignerSeen{Ref: plantest.RefTo("s9", 3)}) }, "", ""},
		"a signer left over that says that it signs": {plantest.Ready,
			func(s *scene) { dismissed(s, rotate.SignerSeen{Ref: plantest.RefTo("s1", 0)}) }, "signer-left-over mx2!",
			"still signs its mail with s1 (key " + dkim.ShortID(plantest.Keys()[0].ID()) + "); that mail verifies, because"},
		"a signer left over that says that it signs with a replaced key": {plantest.Ready, func(s *scene) {
			dismissed(s, rotate.SignerSeen{Ref: plantest.RefTo("s1", 3)})
			s.Have.Selectors["s1"].Past = []string{other.ID()}
		}, "signer-left-over mx2!", "that mail fails, because that key was replaced / list mx2 at example.com again, or take"},
		"a signer left over that says that it signs with a revoked key": {plantest.Ready, func(s *scene) {
			dismissed(s, rotate.SignerSeen{Ref: plantest.RefTo("s2", 1)})
			key := s.Have.Selectors["s2"].Key
			key.Leaked, key.RevokedAt, key.Record = s.Now, s.Now, dkim.RevokedRecord(key.Record)
			s.Show("s2", key.Record)
		}, "signer-left-over mx2!", "that mail fails, because that key was revoked"},
		"a signer left over that says that it signs with a compromised key": {plantest.Ready, func(s *scene) {
			leak(s)
			dismissed(s, rotate.SignerSeen{Ref: plantest.RefTo("s1", 0)})
		}, "signer-left-over mx2!", "fails when that key, which is compromised, is revoked"},
		"a signer left over that does not answer": {plantest.Ready,
			func(s *scene) { dismissed(s, rotate.SignerSeen{Err: transient}) }, "signer-left-over mx2!",
			"is not replaced before it says that it does not sign with it: ask: no route to host / make it answer"},
		"a signer left over, another host of which is not heard of": {plantest.Ready,
			func(s *scene) { dismissed(s, rotate.SignerSeen{Unheard: transient}) }, "signer-left-over mx2!",
			"where it is gone for good, take it out of 'signers:', too"},
		"a signer left over, its key revoked": {plantest.Ready, func(s *scene) {
			s.Want.Signers = []string{"mx1"}
			s.Have.Signers["mx2"] = rotate.Confirmed{Selector: "s2", KeyID: s.Have.Selectors["s2"].Key.ID, Left: true}
			key := s.Have.Selectors["s2"].Key
			key.Leaked, key.Record = s.Now, dkim.RevokedRecord(key.Record)
			s.Show("s2", key.Record)
		}, "signer-left-over mx2!", "because that key was revoked"},
		"other selectors configured": {plantest.Ready,
			func(s *scene) { s.Want.Policy.Selectors = [2]string{"a", "b"} }, "", ""},
	} {
		t.Run(title, func(t *testing.T) {
			s := tt.scene()
			if tt.change != nil {
				tt.change(s)
			}
			found := health.Drift(s.Now, s.Want.Domain, s.Have, s.Seen)
			if got := plantest.Findings(found); got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
			said := ""
			for _, f := range found {
				said += f.Message + " / " + f.Repair + "; "
				delete(unfound, f.Code)
				if f.Message == "" || f.Repair == "" {
					t.Errorf("%+v says too little", f)
				}
			}
			if !strings.Contains(said, tt.says) {
				t.Errorf("%q does not say %q", said, tt.says)
			}
			if plan := s.Plan(); plantest.Findings(plan.Drift) != tt.want {
				t.Errorf("the plan tells %q", plantest.Findings(plan.Drift))
			}
		})
	}
	if len(unfound) > 0 {
		t.Errorf("never found: %v", unfound)
	}
}

// emptied is a key's record without its key.
func emptied(key *dkim.PrivateKey) string {
	r, err := dkim.ParseRecord(plantest.Record(key))
	if err != nil {
		panic(err)
	}
	return r.Revoke().String()
}
