package show_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/forecast"
	"github.com/dkimbot/dkimbot/rotate/plan"
)

var update = flag.Bool("update", false, "write the golden files again; then read what has changed")

// golden compares with a file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (- want, + got):\n%s", path, diff)
	}
}

// keyOf returns a key that is always the same.
func keyOf(t testing.TB, seed string) *rotate.Key {
	t.Helper()
	var n []byte
	for i := range 8 {
		sum := sha256.Sum256(fmt.Append(nil, seed, i))
		n = append(n, sum[:]...)
	}
	n[0], n[255] = n[0]|0x80, n[255]|1
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	text := "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
	r, err := dkim.ParseRecord(text)
	if err != nil {
		t.Fatal(err)
	}
	long := now.Add(-40 * 24 * time.Hour)
	return &rotate.Key{ID: r.Key.ID(), Version: 1, Record: text, StoredAt: long, PublishedAt: long, VerifiedAt: long,
		CacheWait: time.Hour}
}

// scene is a domain as the planner is given it.
type scene struct {
	want rotate.Domain
	req  rotate.Request
	have rotate.State
	seen rotate.Observation
}

// ready returns a domain that has signed with s1 for ten days, and to which change is done.
func ready(t testing.TB, name string, change ...func(*scene)) scene {
	s := scene{
		want: rotate.Domain{Name: name, Provider: "office", Signers: []string{"mx1", "mx2"}, VerifyTimeout: time.Minute,
			Policy: rotate.Policy{Schedule: "0 4 15 * *", Timezone: "UTC",
				Drain: 7 * 24 * time.Hour, Settle: 7 * 24 * time.Hour, Key: dkim.RSA2048, Selectors: [2]string{"s1", "s2"},
				TTL: time.Hour}},
		have: rotate.State{Domain: name, Revision: 42, Phase: rotate.Ready, Active: "s1",
			SwitchedAt: now.Add(-10 * 24 * time.Hour),
			Selectors:  map[string]*rotate.Selector{}, Signers: map[string]rotate.Confirmed{}},
		seen: rotate.Observation{Selectors: map[string]rotate.SelectorSeen{}, Signers: map[string]rotate.SignerSeen{}},
	}
	for _, sel := range s.want.Policy.Selectors {
		k := keyOf(t, name+sel)
		s.have.Selectors[sel] = &rotate.Selector{Key: k}
		s.seen.Selectors[sel] = rotate.SelectorSeen{KeyID: k.ID, Version: 1}
		s.show(sel, k.Record)
	}
	s.sign("s1", "mx1", "mx2")
	for _, c := range change {
		c(&s)
	}
	return s
}

func (s *scene) show(selector string, values ...string) {
	seen := s.seen.Selectors[selector]
	seen.Sight = rotate.Sight{Zone: s.want.Name, Owner: selector + "._domainkey." + s.want.Name, Values: values,
		Complete: true, TTL: time.Hour, Negative: time.Hour}
	s.seen.Selectors[selector] = seen
}

func (s *scene) sign(selector string, signers ...string) {
	id := s.have.Selectors[selector].Key.ID
	for _, name := range signers {
		s.have.Signers[name] = rotate.Confirmed{Selector: selector, KeyID: id, At: s.have.SwitchedAt}
		s.seen.Signers[name] = rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Domain: s.want.Name,
			Selector: selector}, KeyID: id}}
	}
}

// fresh makes the domain new.
func fresh(s *scene) {
	s.have = rotate.State{Domain: s.want.Name, Phase: rotate.New}
	for _, sel := range s.want.Policy.Selectors {
		s.seen.Selectors[sel] = rotate.SelectorSeen{}
		s.show(sel)
	}
	s.seen.Signers = map[string]rotate.SignerSeen{"mx1": {}, "mx2": {}}
}

// drained makes the domain one whose drain has passed.
func drained(s *scene) {
	s.have.Phase, s.have.Active, s.have.Draining, s.have.SwitchedAt = rotate.Draining, "s2", "s1", now.Add(-8*24*time.Hour)
	s.sign("s2", "mx1", "mx2")
}

// nasty is text from outside that would be markup.
const nasty = "a | b `code` <img src=x onerror=alert(1)> [link](http://evil.test) @team #1 **bold** $x$ \x1b[31m\u202e\nnext ``` line"

// scenes are one domain of each kind that a reader meets.
func scenes(t testing.TB) []scene {
	return []scene{
		ready(t, "switch.test", func(s *scene) { s.req.Asked = true }),
		ready(t, "replace.test", drained),
		ready(t, "new.test", fresh),
		ready(t, "gone.test", func(s *scene) { s.show("s1") }),
		ready(t, "foreign.test", func(s *scene) { s.show("s2", nasty) }),
		ready(t, "strays.test", func(s *scene) {
			s.seen.Signers["mx2"] = rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Domain: "strays.test", Selector: "s2"},
				KeyID: s.have.Selectors["s2"].Key.ID}}
			s.seen.Signers["mx1"] = rotate.SignerSeen{Err: fault.Temporary("ask signer mx1", errors.New(nasty), "look")}
		}),
		ready(t, "idle.test"),
	}
}

// somePlan is the plan for all scenes.
func somePlan(t testing.TB) planfile.Document {
	var plans []rotate.DomainPlan
	for _, s := range scenes(t) {
		plans = append(plans, plan.Plan(now, s.want, s.req, s.have, s.seen))
	}
	doc := planfile.New(planfile.Context{Created: now, For: now,
		ConfigSHA256: "cafe", Lineage: "11112222-3333-4444-8555-666677778888",
		Warnings: []string{"old.test has left the configuration | and " + nasty}}, plans)
	doc.PlanID, doc.Checksum = "abcdefghijklmnopqrstuvwxyz", "sha256:not counted here"
	return doc
}

func someStaleness() report.PlanStaleness {
	return report.PlanStaleness{
		Whole: report.Staleness{Reasons: []rotate.Reason{{Code: "expired",
			Message: "it expired at Wed 2026-12-02 04:00:00 UTC"}}},
		Domains: map[string]report.Staleness{
			"switch.test":  {Reasons: []rotate.Reason{{Code: "record-changed", Message: "DNS shows something else: " + nasty}}},
			"replace.test": {Unchecked: fault.Temporary("look up s1._domainkey.replace.test", errors.New(nasty), "")},
		},
	}
}

// TestGoldenPlan: the plan in all three forms, and as a saved one is shown.
func TestGoldenPlan(t *testing.T) {
	doc := somePlan(t)
	golden(t, "plan.json", doc.Encode())
	text := func(colour bool) []byte {
		var b bytes.Buffer
		x := show.Text{Pen: screen.Pen{W: &b, Color: colour, Now: now}}
		var plans []rotate.DomainPlan
		for _, d := range doc.Domains {
			plans = append(plans, d.Plan())
		}
		x.Plans(plans, true)
		x.PlanSummary(doc.Summary)
		x.Saved(doc, "plan.json")
		return b.Bytes()
	}
	golden(t, "plan.txt", text(false))
	golden(t, "plan-colour.txt", text(true))
	golden(t, "plan.md", markdown(func(m show.Markdown) { m.Plan(doc, report.PlanStaleness{}, true) }))
}

func TestGoldenShow(t *testing.T) {
	doc := somePlan(t)
	doc.PlannedFor = now.Add(time.Hour)
	var b bytes.Buffer
	show.Text{Pen: screen.Pen{W: &b, Now: now.Add(30 * time.Hour)}}.SavedPlan(doc, someStaleness(), true)
	golden(t, "show.txt", b.Bytes())
	golden(t, "show.md", markdown(func(m show.Markdown) { m.Plan(doc, someStaleness(), true) }))
	b.Reset()
	saved := report.NewSavedPlan(doc, doc.Names(), someStaleness())
	saved.Plan.Domains = nil // plan.json has them
	if err := report.JSON(&b, saved); err != nil {
		t.Fatal(err)
	}
	golden(t, "show.json", b.Bytes())
}

// TestGoldenCalendar: ninety days in all three forms.
func TestGoldenCalendar(t *testing.T) {
	until := now.Add(90 * 24 * time.Hour)
	var outlooks []forecast.Outlook
	for _, s := range scenes(t) {
		outlooks = append(outlooks, forecast.Of(forecast.Start{Now: now, Want: s.want, Have: s.have, Seen: s.seen,
			Lags: map[string]time.Duration{"mx1": 15 * time.Minute}}, until))
	}
	doc := report.NewCalendar(now, until, outlooks)
	var b bytes.Buffer
	if err := report.JSON(&b, doc); err != nil {
		t.Fatal(err)
	}
	golden(t, "calendar.json", b.Bytes())
	b.Reset()
	show.Text{Pen: screen.Pen{W: &b, Now: now}}.Calendar(doc, false)
	golden(t, "calendar.txt", b.Bytes())
	golden(t, "calendar.md", markdown(func(m show.Markdown) { m.Calendar(doc, false) }))
}

func markdown(f func(show.Markdown)) []byte {
	var b bytes.Buffer
	f(show.Markdown{W: &b, Now: now})
	return b.Bytes()
}

// escaped is a character that stands for itself.
var escaped = regexp.MustCompile(`\\[^A-Za-z0-9\s]`)

// Nothing from outside forms markup, breaks a table or pings anybody.
func TestMarkdownIsSafe(t *testing.T) {
	text := string(markdown(func(m show.Markdown) { m.Plan(somePlan(t), someStaleness(), true) }))
	for _, bad := range []string{"<img", "](http", "](http://evil", "@team", " #1", "**bold**", "http://evil.test",
		"\x1b", "\u202e"} {
		if strings.Contains(escaped.ReplaceAllString(text, ""), bad) {
			t.Errorf("%q stands in\n%s", bad, text)
		}
	}
	columns := 0
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") {
			columns = 0
			continue
		}
		n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
		if columns != 0 && n != columns {
			t.Errorf("a row has %d bars, the one above %d: %s", n, columns, line)
		}
		columns = n
	}
	for fences, tags := strings.Count(text, "```"), strings.Count(text, "<details>"); fences%2 != 0 ||
		tags != strings.Count(text, "</details>"); {
		t.Fatalf("%d fences, %d details are opened", fences, tags)
	}
}
