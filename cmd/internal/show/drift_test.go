package show_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

var (
	vanished = finding.Finding{Code: codes.RecordVanished, Selector: "s2", Message: "the record of s2 is gone",
		Repair: "it is published again by itself"}
	leftOver = finding.Finding{Code: codes.SignerLeftOver, Signer: "mx2", Message: "mx2 is left over", Repair: "stop it",
		Asks: true, Since: now.Add(-3 * time.Hour)}
	alien = finding.Finding{Code: codes.RecordForeign, Selector: "s1", Message: "s1 holds a record\nof two lines",
		Repair: "remove it", Asks: true, Since: now.Add(-time.Hour)}
)

// What is not as it should be is reported with what is done about it, once: a warning or
// a refusal that says the same is left out.
func TestDrift(t *testing.T) {
	plan := rotate.DomainPlan{Name: "example.com", Phase: rotate.Ready, Reason: rotate.Reason{Message: "s1 signs"},
		Drift:    []finding.Finding{vanished, leftOver},
		Warnings: []finding.Warning{{Message: leftOver.Message, About: leftOver.Thing()}, {Message: "look at this"}}}
	wantText(t, written(func(x show.Text) { x.Plans([]rotate.DomainPlan{plan}, false) }), `
example.com  phase ready
  now   s1 signs
  mail  Nothing changes; mail continues as it does today.
  drift the record of s2 is gone
        it is published again by itself
  drift mx2 is left over; since Tue 2026-12-01 01:00:00 UTC (3 hours ago)
        to do: stop it
  warning: look at this

`)
	plan.Stop = finding.WithThing(alien.Thing(), fault.Refuse("foreign-record", alien.Message, "remove it"))
	plan.Drift = []finding.Finding{alien}
	plan.Warnings = nil
	if got := written(func(x show.Text) { x.Plans([]rotate.DomainPlan{plan}, false) }); strings.Count(got,
		"s1 holds a record") != 1 {
		t.Errorf("the refusal is reported twice:\n%s", got)
	}
	plan.Stop = nil
	plan.Drift = append(plan.Drift, vanished)
	var b strings.Builder
	show.Markdown{W: &b, Now: now}.Plan(planfile.New(planfile.Context{Created: now, For: now}, []rotate.DomainPlan{plan}),
		report.PlanStaleness{}, true)
	for _, want := range []string{"**Drift:** the record of s2 is gone. **dkimbot:** it is published again by itself.",
		"**to do:** remove it."} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, &b)
		}
	}
}

func TestStatusSaysDrift(t *testing.T) {
	st := rotate.State{Domain: "example.com", Revision: 3, Phase: rotate.Ready, Failures: 2, LastError: "one\ntwo",
		Drift: []finding.Finding{alien}}
	wantText(t, written(func(x show.Text) { x.Status(st) }), `
example.com  phase ready
  failures: 2 in a row; the last one: one
            two
  drift s1 holds a record
        of two lines; since Tue 2026-12-01 03:00:00 UTC (60 minutes ago)
        to do: remove it

`)
}

func TestRetry(t *testing.T) {
	st := rotate.State{Domain: "example.com", Phase: rotate.Ready, Failures: 2, LastError: "no route to host",
		Next: &rotate.Next{Action: "retry", At: now.Add(time.Minute),
			Reason: rotate.Reason{Code: "failed", Message: "no route to host"}}}
	wantText(t, written(func(x show.Text) { x.Retries([]rotate.State{st}) }), `
example.com  phase ready
  failures: 2 in a row; the last one: no route to host
  next  try again, not before Tue 2026-12-01 04:01:00 UTC (in 60s)

`)
}

func TestUnlisted(t *testing.T) {
	at := now.Add(-time.Hour)
	states := []rotate.State{
		{Domain: "a.test", Phase: rotate.Replacing, Signers: map[string]rotate.Confirmed{"mx1": {Selector: "s2"}},
			Selectors: map[string]*rotate.Selector{
				"s1": {Key: &rotate.Key{ID: oldID, PublishedAt: at}, Next: &rotate.Key{ID: newID}},
				"s2": {Key: &rotate.Key{ID: newID, PublishedAt: at}}}},
		{Domain: "b.test", Phase: rotate.Bootstrapping,
			Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: oldID}}, "s2": {}}},
		{Domain: "c.test", Phase: rotate.New},
	}
	wantText(t, written(func(x show.Text) { x.Unlisted(report.NewUnlisted(states)) }), `
a.test  phase replacing
  warning: it is not in the configuration any more; dkimbot changes nothing of it
  stays s1._domainkey.a.test and s2._domainkey.a.test in DNS; the private keys of s1 and s2 in the keystore; signer mx1 signs with s2
        list it again to continue, or release it: dkimbot release --domain a.test

b.test  phase bootstrapping
  warning: it is not in the configuration any more; dkimbot changes nothing of it
  stays the private keys of s1 in the keystore
        list it again to continue, or release it: dkimbot release --domain b.test

c.test  phase new
  warning: it is not in the configuration any more; dkimbot changes nothing of it
        list it again to continue, or release it: dkimbot release --domain c.test

`)
	for range 4 {
		states = append(states, states[2])
	}
	if got := show.UnlistedWarnings(states); len(got) != 6 ||
		!strings.Contains(got[0], "a.test is not in the configuration") || !strings.HasPrefix(got[5], "2 more domains") {
		t.Errorf("warnings %q", got)
	}
	if got := show.UnlistedWarnings(nil); len(got) > 0 {
		t.Errorf("warnings %q of nothing", got)
	}
}

// TestDriftIsSaidOnce: what the record and the private key of one selector show alike is reported once.
func TestDriftIsSaidOnce(t *testing.T) {
	p := rotate.DomainPlan{Name: "a.test",
		Drift: []finding.Finding{
			{Code: codes.RecordForeign, Cause: codes.StaleState, Selector: "s2", Message: "the state is older"},
			{Code: codes.KeyDifferent, Cause: codes.StaleState, Selector: "s2", Message: "as was said: the state is older"}}}
	out := written(func(x show.Text) { x.Plans([]rotate.DomainPlan{p}, false) })
	if n := strings.Count(out, "the state is older"); n != 1 {
		t.Errorf("told %d times:\n%s", n, out)
	}
}

// Words decide nothing: what is about the same thing is reported once, however it is put, and what
// is about two things is told of both, though the words are the same. Also from a saved plan.
func TestWordsDecideNothing(t *testing.T) {
	first := finding.Finding{Code: codes.RecordUnseen, Selector: "s1", Message: "no server answers"}
	second := finding.Finding{Code: codes.RecordUnseen, Selector: "s2", Message: "no server answers"}
	plan := rotate.DomainPlan{Name: "a.test", Phase: rotate.Ready, Drift: []finding.Finding{first, second},
		Stop:     fault.Lasting("switch", finding.WithThing(first.Thing(), errors.New("DNS is silent")), "wait"),
		Warnings: []finding.Warning{{Message: "look at s2", About: second.Thing()}, {Message: "no server answers"}}}
	doc := planfile.New(planfile.Context{Created: now, For: now}, []rotate.DomainPlan{plan})
	for from, p := range map[string]rotate.DomainPlan{"the planner": plan, "a file": doc.Domains[0].Plan()} {
		out := written(func(x show.Text) { x.Plans([]rotate.DomainPlan{p}, false) })
		if strings.Count(out, "drift no server answers") != 1 || strings.Contains(out, "look at s2") ||
			!strings.Contains(out, "warning: no server answers") {
			t.Errorf("from %s:\n%s", from, out)
		}
	}
}

// TestStatusSaysOneCauseOnce: one cause behind two findings at a selector is one drift in status, too.
func TestStatusSaysOneCauseOnce(t *testing.T) {
	older := finding.Finding{Code: codes.RecordForeign, Selector: "s2", Cause: codes.StaleState, Message: "the state is older",
		Repair: "restore a newer copy"}
	again := older
	again.Code = codes.KeyDifferent
	text := written(func(x show.Text) {
		x.Status(rotate.State{Domain: "example.com", Revision: 1, Phase: rotate.Ready, Drift: []finding.Finding{older, again}})
	})
	if n := strings.Count(text, "the state is older"); n != 1 {
		t.Errorf("it is said %d times:\n%s", n, text)
	}
}

// TestKnownAsCompromised: a repeated report is not said to be noted again.
func TestKnownAsCompromised(t *testing.T) {
	event := rotate.Event{Kind: rotate.ReportCompromised, Selector: "s1", KeyID: "0123456789abcdef", Message: "reported as compromised"}
	for message, want := range map[string]string{
		"reported as compromised":                                  "s1: key 0123456789ab is noted as compromised",
		"reported as compromised before":                           "s1: key 0123456789ab was reported as compromised before",
		"reported as compromised before; its private key is there": "was reported as compromised before; its private key is there",
	} {
		event.Message = message
		plan := rotate.DomainPlan{Name: "example.com", Phase: rotate.Ready, Ordered: []rotate.Event{event}}
		if text := written(func(x show.Text) { x.Plans([]rotate.DomainPlan{plan}, false) }); !strings.Contains(
			strings.Join(strings.Fields(text), " "), want) {
			t.Errorf("%s:\n%s", message, text)
		}
	}
}

// TestDriftOnce: a keystore that can't be opened is told once, and not for each selector.
func TestDriftOnce(t *testing.T) {
	var found []finding.Finding
	for _, s := range []string{"s1", "s2"} {
		found = append(found, finding.Finding{Code: codes.KeyUnread, Selector: s, Message: "open /keys: it is missing",
			Repair: "mount it", Asks: true})
	}
	plan := rotate.DomainPlan{Name: "example.com", Phase: rotate.Ready, Drift: found}
	st := rotate.State{Domain: "example.com", Phase: rotate.Ready, Revision: 1, Drift: found}
	var b strings.Builder
	show.Markdown{W: &b, Now: now}.Plan(planfile.New(planfile.Context{Created: now, For: now}, []rotate.DomainPlan{plan}),
		report.PlanStaleness{}, true)
	for title, got := range map[string]string{
		"a plan":     written(func(x show.Text) { x.Plans([]rotate.DomainPlan{plan}, false) }),
		"a status":   written(func(x show.Text) { x.Status(st) }),
		"a result":   written(func(x show.Text) { x.Result(engine.Result{Domain: "example.com", State: st}) }),
		"a document": b.String(),
	} {
		if n := strings.Count(got, "open /keys"); n != 1 || strings.Count(got, "mount it") != 1 {
			t.Errorf("%s tells it %d times: %s", title, n, got)
		}
	}
}
