package show_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/google/go-cmp/cmp"
)

var now = time.Date(2026, 12, 1, 4, 0, 0, 0, time.UTC)

const (
	oldID  = "00112233445566778899aabbccddeeff"
	newID  = "ffeeddccbbaa99887766554433221100"
	record = "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvt8kmosK11WoFIl74R94Jb6xItlgaAFzwIDAQAB"
)

// written returns what f writes without colour.
func written(f func(show.Text)) string {
	var b strings.Builder
	f(show.Text{Pen: screen.Pen{W: &b, Now: now}})
	return b.String()
}

func wantText(t *testing.T, got, want string) {
	t.Helper()
	if diff := cmp.Diff(strings.TrimPrefix(want, "\n"), got); diff != "" {
		t.Errorf("the text differs (- want, + got):\n%s", diff)
	}
}

// Every kind of step says what, where, from what to what, why and when.
func TestPlan(t *testing.T) {
	why := rotate.Reason{Code: "replace", Message: "the drain of s1 has passed"}
	plan := rotate.DomainPlan{Name: "example.com", Phase: rotate.Replacing, Reason: why, Steps: []rotate.Step{
		{Kind: rotate.Generate, Selector: "s1", Target: "s1._domainkey.example.com", Reason: why, Algorithm: "rsa2048"},
		{Kind: rotate.StoreKey, Selector: "s1", Target: "keystore, s1._domainkey.example.com", Reason: why,
			From: rotate.Side{KeyID: oldID}, To: rotate.Side{Fresh: true}},
		{Kind: rotate.Publish, Selector: "s1", Target: "s1._domainkey.example.com TXT, through office", Reason: why,
			From: rotate.Side{Record: record, KeyID: oldID}, To: rotate.Side{Fresh: true}, TTL: time.Hour},
		{Kind: rotate.Verify, Selector: "s1", Target: "s1._domainkey.example.com TXT", Reason: why,
			To: rotate.Side{Fresh: true}},
		{Kind: rotate.Activate, Selector: "s2", Signer: "mx1", Target: "signer mx1", Reason: why,
			From: rotate.Side{Selector: "s1", KeyID: oldID}, To: rotate.Side{Selector: "s2", KeyID: newID}},
		{Kind: rotate.Drain, Selector: "s1", Target: "s1._domainkey.example.com", Reason: why,
			NotBefore: now.Add(7 * 24 * time.Hour)},
		{Kind: rotate.Destroy, Selector: "s1", Target: "keystore, s1._domainkey.example.com version 3", Reason: why,
			From: rotate.Side{KeyID: oldID}},
	},
		Next: &rotate.Next{Action: "replace", Selector: "s1", At: now.Add(7 * 24 * time.Hour),
			Reason: rotate.Reason{Code: "drain", Message: "mail may be in flight"}},
		Warnings: []finding.Warning{{Message: "signer mx3 is no longer listed"}},
	}
	wantText(t, written(func(x show.Text) { x.Plans([]rotate.DomainPlan{plan}, false) }), `
example.com  phase replacing
  why   the drain of s1 has passed
  mail  Mail continues to be signed with s1 until this is carried out, then with s2. The key record of s1 is replaced, which no mail needs any more: nothing has signed with it for longer than its drain. Mail already signed with s1 verifies all the while, because its key record stays in DNS until Tue 2026-12-08 04:00 UTC at least.

   1. generate  s1._domainkey.example.com
      to    a new rsa2048 key
      why   the drain of s1 has passed
      when  now

   2. store     keystore, s1._domainkey.example.com
      from  key 001122334455
      to    the new key
      why   the drain of s1 has passed
      when  now

   3. publish   s1._domainkey.example.com TXT, through office
      from  v=DKIM1; k=rsa; p=MIIBIjANBgkq...zwIDAQAB (key 001122334455)
      to    the record of the new key, TTL 1h
      why   the drain of s1 has passed
      when  now

   4. verify    s1._domainkey.example.com TXT
      to    every authoritative server shows the new key
      why   the drain of s1 has passed
      when  now

   5. activate  signer mx1
      from  signs with s1, key 001122334455
      to    signs with s2, key ffeeddccbbaa
      why   the drain of s1 has passed
      when  now

   6. drain     s1._domainkey.example.com
      from  published
      to    published: mail in flight continues to verify
      why   the drain of s1 has passed
      when  not before Tue 2026-12-08 04:00:00 UTC (in 7 days)

   7. destroy   keystore, s1._domainkey.example.com version 3
      from  key 001122334455
      to    destroyed, and forgotten by the signers
      why   the drain of s1 has passed
      when  now

  next  replace the key of s1, not before Tue 2026-12-08 04:00:00 UTC (in 7 days)
        mail may be in flight
  warning: signer mx3 is no longer listed

`)
}

// A first publication comes from no record, a first activation from no signing.
func TestPlanFromNothing(t *testing.T) {
	plan := rotate.DomainPlan{Name: "example.com", Phase: rotate.New, Steps: []rotate.Step{
		{Kind: rotate.Publish, Target: "x", To: rotate.Side{Record: record, KeyID: newID}, TTL: time.Hour},
		{Kind: rotate.Activate, Target: "signer mx1", To: rotate.Side{Selector: "s1", KeyID: newID}},
	}}
	got := written(func(x show.Text) { x.Plans([]rotate.DomainPlan{plan}, false) })
	for _, want := range []string{"from  no record\n",
		"to    v=DKIM1; k=rsa; p=MIIBIjANBgkq...zwIDAQAB (key ffeeddccbbaa), TTL 1h\n",
		"from  does not sign for the domain\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("want %q in\n%s", want, got)
		}
	}
}

func TestPlanWithNothingToDo(t *testing.T) {
	plan := rotate.DomainPlan{Name: "example.com", Phase: rotate.Ready,
		Reason: rotate.Reason{Code: "idle", Message: "s1 signs; s2 is published and waits"},
		Next: &rotate.Next{Action: "rotate", Selector: "s2", At: now.Add(time.Hour),
			Reason: rotate.Reason{Code: "schedule", Message: "the schedule's next rotation switches to s2"}}}
	wantText(t, written(func(x show.Text) { x.Plans([]rotate.DomainPlan{plan}, false) }), `
example.com  phase ready
  now   s1 signs; s2 is published and waits
  mail  Nothing changes; mail continues as it does today.
  next  rotate to s2, not before Tue 2026-12-01 05:00:00 UTC (in 60 minutes)
        the schedule's next rotation switches to s2

`)
}

// What stops a plan comes with its remedy; a refusal is called one.
func TestPlanThatStops(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{fault.Refuse("foreign-record", "s1._domainkey.example.com holds a record that dkimbot did not make", "remove the record"), `
example.com  phase new
  refused: s1._domainkey.example.com holds a record that dkimbot did not make
  hint: remove the record
  mail  Nothing is done; mail continues as it does today.

`}, {errors.Join(fault.Temporary("ask mx1", errors.New("no answer"), "start mx1"), errors.Join(
			fault.Temporary("ask mx2", errors.New("no answer"), "start mx2"), fault.Temporary("ask mx1", errors.New("no answer"), "start mx1"))), `
example.com  phase new
  error: ask mx1: no answer
  hint: start mx1
  error: ask mx2: no answer
  hint: start mx2
  mail  Nothing is done; mail continues as it does today.

`},
	} {
		stopped := []rotate.DomainPlan{{Name: "example.com", Phase: rotate.New, Stop: c.err}}
		wantText(t, written(func(x show.Text) { x.Plans(stopped, false) }), c.want)
	}
}

func TestPlanSummary(t *testing.T) {
	wantText(t, written(func(x show.Text) { x.PlanSummary(planfile.Summary{Domains: 1, Steps: 2}) }),
		"1 domain, 2 steps. Nothing was changed.\n")
}

func TestStatus(t *testing.T) {
	st := rotate.State{Domain: "example.com", Revision: 9, Phase: rotate.Replacing, Active: "s2", Draining: "s1",
		Selectors: map[string]*rotate.Selector{
			"s1": {Key: &rotate.Key{ID: oldID, VerifiedAt: now.Add(-30 * 24 * time.Hour)},
				Next: &rotate.Key{ID: newID, PublishedAt: now.Add(-time.Minute)}},
			"s2": {Key: &rotate.Key{ID: newID, VerifiedAt: now.Add(-3 * time.Hour)}},
		},
		Signers:  map[string]rotate.Confirmed{"mx1": {Selector: "s2", KeyID: newID, At: now.Add(-7 * 24 * time.Hour)}},
		Failures: 2, LastError: "publish s1: refused",
		Next: &rotate.Next{Action: "retry", At: now.Add(time.Minute),
			Reason: rotate.Reason{Code: "failed", Message: "publish s1: refused"}},
	}
	wantText(t, written(func(x show.Text) { x.Status(st) }), `
example.com  phase replacing
  s1   draining  key 001122334455, seen in DNS since Sun 2026-11-01 04:00:00 UTC (30 days ago); to be replaced by key ffeeddccbbaa, published Tue 2026-12-01 03:59:00 UTC (60s ago), not seen on every server yet
  s2   active    key ffeeddccbbaa, seen in DNS since Tue 2026-12-01 01:00:00 UTC (3 hours ago)
  signer mx1 signs with s2, key ffeeddccbbaa, in effect from Tue 2026-11-24 04:00:00 UTC (7 days ago)
  failures: 2 in a row; the last one: publish s1: refused
  next  try again, not before Tue 2026-12-01 04:01:00 UTC (in 60s)

`)
	st = rotate.State{Domain: "example.com", Revision: 1, Phase: rotate.Bootstrapping,
		Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: newID}}, "s2": {}}}
	wantText(t, written(func(x show.Text) { x.Status(st) }), `
example.com  phase bootstrapping
  s1   in the making key ffeeddccbbaa, not published yet
  s2   in the making no key yet

`)
	wantText(t, written(func(x show.Text) { x.Status(rotate.State{Domain: "example.com", Phase: rotate.New}) }), `
example.com  phase new
  now   nothing was done for it yet; 'dkimbot plan --domain example.com' shows what would be

`)
}

func TestEvent(t *testing.T) {
	e := rotate.Event{Domain: "example.com", At: now.In(time.FixedZone("x", 7200)), By: "root@mail1",
		Kind: rotate.Activate, Selector: "s2", Signer: "mx1", KeyID: newID, Outcome: "done"}
	wantText(t, written(func(x show.Text) { x.Event(e) }),
		"2026-12-01T04:00:00Z  example.com          activate s2 mx1          done  key ffeeddccbbaa  by root@mail1\n")
	e = rotate.Event{Domain: "example.com", At: now, By: "root@mail1", Outcome: "refused", Message: "no\nand no"}
	wantText(t, written(func(x show.Text) { x.Event(e) }),
		"2026-12-01T04:00:00Z  example.com          plan                     refused  no | and no  by root@mail1\n")
}

func TestResult(t *testing.T) {
	event := func(k rotate.Kind, selector string) rotate.Event {
		return rotate.Event{Domain: "example.com", Kind: k, Selector: selector,
			Signer: map[rotate.Kind]string{rotate.Activate: "mx1"}[k], KeyID: newID, Outcome: "done"}
	}
	r := engine.Result{Domain: "example.com",
		State: rotate.State{Phase: rotate.Draining, Next: &rotate.Next{Action: rotate.Activate, Selector: "s2", At: now}},
		Done: []rotate.Event{event(rotate.StoreKey, "s1"), event(rotate.Publish, "s1"), seen(event(rotate.Verify, "s1")),
			event(rotate.Activate, "s2"), event(rotate.Drain, "s1"), event(rotate.Destroy, "s1"), event(rotate.Revoke, "s1")},
		Plan: rotate.DomainPlan{Warnings: []finding.Warning{{Message: "look here"}}},
		Err:  fault.Temporary("reload mx1", errors.New("exit status 1"), "run it by hand")}
	wantText(t, written(func(x show.Text) { x.Result(r) }), `
example.com  phase draining
  done s1: key ffeeddccbbaa was made, kept in the keystore and read back
  done s1: the record of key ffeeddccbbaa was published
  done s1, key ffeeddccbbaa: every authoritative server shows it; a test message verifies
  done s2: signer mx1 signs with it now (key ffeeddccbbaa)
  done s1: its drain began; it stays published
  done s1: the old key ffeeddccbbaa was destroyed
  done s1: key ffeeddccbbaa was revoked in DNS
  error: reload mx1: exit status 1
  hint: run it by hand
  next  sign with s2, now
  warning: look here

`)
	r = engine.Result{Domain: "example.com", Err: context.Canceled}
	wantText(t, written(func(x show.Text) { x.Result(r) }), `
example.com
  interrupted between two steps; nothing is lost

`)
	failed := fault.Temporary("publish s1", errors.New("not permitted"), "let dkimbot write")
	r = engine.Result{Domain: "example.com", Err: failed, State: rotate.State{Domain: "example.com", Phase: rotate.Replacing,
		Active: "s2", Selectors: map[string]*rotate.Selector{
			"s1": {Key: &rotate.Key{ID: newID, PublishedAt: now, Leaked: now}}, "s2": {Key: &rotate.Key{PublishedAt: now}}}}}
	wantText(t, written(func(x show.Text) { x.Result(r) }), `
example.com  phase replacing
  error: publish s1: not permitted
  hint: let dkimbot write
  still s1: the compromised key ffeeddccbbaa is not revoked yet; until it is, whoever has it can sign mail of example.com

`)
	r.Err, r.Done = nil, []rotate.Event{{Kind: rotate.Verify, Selector: "s1", KeyID: newID, Message: "seen"}}
	if says := written(func(x show.Text) { x.Result(r) }); !strings.Contains(says, "still s1: the compromised key ffeeddccbbaa") {
		t.Errorf("a run that failed nowhere, and leaves the compromised key unrevoked: %s", says)
	}
	r.State.Failures, r.State.LastError = 1, "publish s1: not permitted"
	if why := show.Why(r.State); why != "the compromised key ffeeddccbbaa at s1 is not revoked yet: publish s1: not permitted" {
		t.Errorf("why: %q", why)
	}
	r.State.LastError = "leave and revoke the compromised key at s1._domainkey.example.com: no signer could be switched"
	if why := show.Why(r.State); why != "the compromised key ffeeddccbbaa at s1 is not revoked yet: no signer could be switched" {
		t.Errorf("why: %q", why)
	}
	r.State.LastError = "publish s1: not permitted"
	r.State.Drift = []finding.Finding{{Code: codes.RecordVanished, Selector: "s2", Message: "s2 is missing"}}
	if why := show.Why(r.State); why != "s2 is missing, and mail fails until it is back: publish s1: not permitted" {
		t.Errorf("why: %q", why)
	}
}

// TestDrainBegan: what drains stays published, unless DNS does not show it.
func TestDrainBegan(t *testing.T) {
	for code, want := range map[codes.Code]string{
		"":                   "it stays published",
		codes.RecordForeign:  "a record that is not its own stands in its place: mail in flight that was signed with it fails",
		codes.RecordVanished: "its record is missing from DNS: mail in flight that was signed with it fails until it is back",
	} {
		r := engine.Result{Domain: "example.com", Done: []rotate.Event{{Kind: rotate.Drain, Selector: "s1", Code: code}}}
		if got := written(func(x show.Text) { x.Result(r) }); !strings.Contains(got, "done s1: its drain began; "+want+"\n") {
			t.Errorf("%s: %s", code, got)
		}
	}
}

// TestUnrevokedWhy: while a compromised key is not revoked, its key, selector and what it waits for are said; a failure
// or what a person has to do comes before the time.
func TestUnrevokedWhy(t *testing.T) {
	leaked := rotate.Selector{Key: &rotate.Key{ID: newID, PublishedAt: now, Leaked: now}}
	good := rotate.Selector{Key: &rotate.Key{ID: oldID, PublishedAt: now}}
	flight := &rotate.Next{Action: rotate.Activate, Selector: "s2", At: now.Add(time.Hour)}
	asks := []finding.Finding{{Code: codes.RecordVanished, Message: "a server lacks s1"},
		{Code: codes.KeyMissing, Message: "the key of s2 is missing", Asks: true}}
	const one = "the compromised key ffeeddccbbaa at s1 is not revoked yet"
	for title, c := range map[string]struct {
		s2    rotate.Selector
		next  *rotate.Next
		drift []finding.Finding
		want  string
	}{
		"a flight": {good, flight, asks[:1], one + ": signers leave it for s2 at " + calendar.Until(flight.At) +
			", and it is revoked then"},
		"a replacement": {good, &rotate.Next{Action: codes.ActionReplace, Selector: "s2", At: now}, nil,
			one + "; next: replace the key of s2, not before " + calendar.Until(now)},
		"signers stay": {good, &rotate.Next{Action: rotate.Activate, Selector: "s1", At: now}, nil,
			one + "; next: sign with s1, not before " + calendar.Until(now)},
		"a person":      {good, flight, asks, one + ": the key of s2 is missing"},
		"nothing comes": {good, nil, nil, one},
		"said once": {good, nil, []finding.Finding{{Code: codes.KeyMissing, Asks: true, Message: "no key of s2; signers need it to " +
			"leave the compromised key at s1, which is not revoked until they have"}}, one + ": no key of s2; signers need it to " +
			"leave the compromised key at s1"},
		"both": {leaked, nil, nil, "the compromised keys ffeeddccbbaa at s1 and ffeeddccbbaa at s2 are not revoked yet"},
	} {
		st := rotate.State{Domain: "example.com", Active: "s1", Next: c.next, Drift: c.drift,
			Selectors: map[string]*rotate.Selector{"s1": &leaked, "s2": &c.s2}}
		if got := show.Why(st); got != c.want {
			t.Errorf("%s: %q, want %q", title, got, c.want)
		}
		line, level := show.Check(report.NewCounts([]rotate.State{st}, nil, now), "example.com")
		person := slices.ContainsFunc(c.drift, func(f finding.Finding) bool { return f.Asks })
		if level == 0 || person != (level == 2) || !strings.Contains(line, "1 with a compromised key") {
			t.Errorf("%s: %d %s", title, level, line)
		}
	}
}

// TestUndestroyed: a compromised key that is revoked, and whose private key can't be destroyed, is named until it is.
func TestUndestroyed(t *testing.T) {
	st := rotate.State{Domain: "example.com", Phase: rotate.Replacing, Active: "s2", Draining: "s1", Revision: 1, Failures: 1,
		LastError: "destroy private key: not permitted", Selectors: map[string]*rotate.Selector{
			"s1": {Key: &rotate.Key{ID: newID, VerifiedAt: now}, Retired: []rotate.Retired{{KeyID: oldID, Leaked: true}}},
			"s2": {Key: &rotate.Key{ID: newID, VerifiedAt: now}, Retired: []rotate.Retired{{KeyID: oldID}}}}}
	says := written(func(x show.Text) { x.Status(st) })
	const left = "the private key 001122334455, which is compromised, is yet to be destroyed\n"
	if strings.Count(says, "yet to be destroyed") != 1 || !strings.Contains(says, left) {
		t.Errorf("status: %s", says)
	}
	if why := show.Why(st); why != "a compromised key is not destroyed yet: destroy private key: not permitted" {
		t.Errorf("why: %s", why)
	}
	st.Selectors["s1"].Retired = nil
	if why := show.Why(st); why != st.LastError {
		t.Errorf("why, when it is: %s", why)
	}
	st.Selectors["s1"].Key.Leaked, st.Selectors["s1"].Key.RevokedAt = now, now
	if why := show.Why(st); !strings.HasPrefix(why, "a compromised key is not destroyed yet") {
		t.Errorf("why, before it is replaced: %s", why)
	}
	st.Selectors["s1"].Key.Gone = true
	if why := show.Why(st); why != st.LastError {
		t.Errorf("why, when only its replacement fails: %s", why)
	}
}

func TestDistances(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "now", -time.Second: "now", time.Second: "in 1s", 119 * time.Second: "in 119s", 2 * time.Minute: "in 2 minutes",
		90 * time.Minute: "in 90 minutes",
		3 * time.Hour:    "in 3 hours", 47 * time.Hour: "in 47 hours", 48 * time.Hour: "in 2 days",
		36 * 24 * time.Hour: "in 36 days",
	} {
		got := written(func(x show.Text) {
			x.Plans([]rotate.DomainPlan{{Steps: []rotate.Step{{Kind: rotate.Drain, NotBefore: now.Add(d)}}}}, false)
		})
		if !strings.Contains(got, want) {
			t.Errorf("%s: want %q in %q", d, want, got)
		}
	}
}

// Colour marks and never replaces words.
func TestColour(t *testing.T) {
	plan := rotate.DomainPlan{Name: "example.com", Phase: rotate.Ready, Stop: fault.Refuse("x", "no", "do"),
		Warnings: []finding.Warning{{Message: "w"}}}
	var b strings.Builder
	show.Text{Pen: screen.Pen{W: &b, Color: true, Now: now}}.Plans([]rotate.DomainPlan{plan}, false)
	coloured := b.String()
	if !strings.Contains(coloured, "\x1b[31mrefused:\x1b[0m no") {
		t.Errorf("no red in %q", coloured)
	}
	for _, code := range []string{"1", "2", "31", "32", "33", "0"} {
		coloured = strings.ReplaceAll(coloured, "\x1b["+code+"m", "")
	}
	wantText(t, coloured, written(func(x show.Text) { x.Plans([]rotate.DomainPlan{plan}, false) }))
}

func TestConfiguration(t *testing.T) {
	errs := []report.Mistake{{File: "a.yaml", Line: 3, Path: "domains[0].name", Problem: "is missing", Remedy: "write it"},
		{File: "a.yaml", Line: 1, Problem: "is empty"}}
	wantText(t, written(func(x show.Text) { x.Configuration(errs); x.ConfigurationWarnings(errs[1:]) }), `
error: a.yaml:3: domains[0].name: is missing
hint: write it
error: a.yaml:1: is empty
2 errors in the configuration; nothing was done.
warning: a.yaml:1: is empty
`)
}

// seen is the event of a look at a record, with what it found.
func seen(e rotate.Event) rotate.Event {
	e.Message = "every authoritative server shows it; a test message verifies"
	return e
}

// TestEnded: a run for many domains ends with how many there were, and with those that failed.
func TestEnded(t *testing.T) {
	var results []engine.Result
	for i := range 8 {
		r := engine.Result{Domain: fmt.Sprintf("d%d.test", i)}
		switch i {
		case 1:
			r.Err = fault.Temporary("ask mx1", errors.New("no answer"), "start mx1")
		case 3:
			r.Err = fault.Refuse("x", "s2 is not ours", "look at it")
		case 4, 5:
			r.Done = []rotate.Event{{Kind: rotate.Drain}}
		}
		results = append(results, r)
	}
	wantText(t, written(func(x show.Text) { x.Ended(results) }), `
8 domains: 2 changed, 4 with nothing done, 1 refused, 1 failed.
d1.test
  error: ask mx1: no answer
  hint: start mx1
d3.test
  refused: s2 is not ours
  hint: look at it
`)
	wantText(t, written(func(x show.Text) { x.Ended(results[:5]) }), "\n")

	for i := range results { // one cause stops many: it is said once, with their names
		results[i].Err = &fault.Error{Kind: fault.Transient, Code: "no-answer", What: "find the zone of " + results[i].Domain,
			Err: errors.New("no answer"), Hint: "look at the name servers"}
	}
	results[6].Err = errors.New("odd")
	wantText(t, written(func(x show.Text) { x.Ended(results) }), `
8 domains: 8 failed.
7 domains: d0.test, d1.test, d2.test, d3.test, d4.test and 2 more
  error: find the zone of d0.test: no answer
  hint: look at the name servers
d6.test
  error: odd
`)
}

// TestEventsFold: on a terminal of 80 columns an event's line goes on in the next one.
func TestEventsFold(t *testing.T) {
	var b strings.Builder
	x := show.Text{Pen: screen.Pen{W: &b}.Folded(80)}
	x.Event(rotate.Event{At: time.Unix(0, 0), Domain: "a-rather-long-name.example", Kind: "verify", Selector: "s1",
		Outcome: "done", By: "root@mx1", KeyID: strings.Repeat("0123456789abcdef", 4),
		Message: "every authoritative server shows it; a test message verifies"})
	if lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n"); len(lines) < 2 {
		t.Errorf("one line:\n%s", &b)
	} else {
		for _, line := range lines {
			if len(line) > 80 {
				t.Errorf("%d columns: %q", len(line), line)
			}
		}
	}
}
