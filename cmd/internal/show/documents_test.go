package show_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/forecast"
)

// document returns doc as it is printed and as a program reads it.
func document(t *testing.T, doc any) (string, map[string]any) {
	t.Helper()
	var b bytes.Buffer
	if err := report.JSON(&b, doc); err != nil {
		t.Fatal(err)
	}
	var read map[string]any
	if err := json.Unmarshal(b.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	if read["format_version"] != float64(1) {
		t.Errorf("format_version is %v", read["format_version"])
	}
	return b.String(), read
}

var elsewhere = now.In(time.FixedZone("elsewhere", 5*3600+1800))

// status is the document of states.
func status(t *testing.T, states, unlisted []rotate.State, now time.Time) json.RawMessage {
	t.Helper()
	var out bytes.Buffer
	each := func(yield func(rotate.State, error) bool) {
		for _, st := range states {
			if !yield(st, nil) {
				return
			}
		}
	}
	if err := report.WriteStatus(&out, report.NewCounts(states, unlisted, now), each, unlisted); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// Lists are never null and times are UTC, whatever the documents are made of.
func TestDocuments(t *testing.T) {
	saved := planfile.New(planfile.Context{Created: elsewhere, For: elsewhere},
		[]rotate.DomainPlan{{Name: "example.com", Drift: []finding.Finding{{Code: "key-missing", Since: elsewhere}},
			Next: &rotate.Next{At: elsewhere}, Steps: []rotate.Step{{NotBefore: elsewhere}}}})
	for title, doc := range map[string]any{
		"plan":       saved,
		"empty plan": planfile.New(planfile.Context{}, nil),
		"saved plan": report.NewSavedPlan(saved, saved.Names(), report.PlanStaleness{}),
		"calendar": report.NewCalendar(elsewhere, elsewhere,
			[]forecast.Outlook{{Name: "example.com", Until: elsewhere, Coming: []forecast.Coming{{At: elsewhere}}}}),
		"empty calendar": report.NewCalendar(elsewhere, elsewhere, nil),
		"apply": report.NewApply("id",
			[]engine.Result{{Domain: "example.com", Done: []rotate.Event{{At: elsewhere}},
				Left: []rotate.Step{{NotBefore: elsewhere}}}, {Domain: "example.net"}}),
		"empty apply": report.NewApply("id", nil),
		"status": status(t, []rotate.State{{Domain: "example.com", DueAt: elsewhere,
			Signers: map[string]rotate.Confirmed{"mx1": {At: elsewhere}},
			Selectors: map[string]*rotate.Selector{"s1": {LastUsedAt: elsewhere,
				Key: &rotate.Key{PublishedAt: elsewhere, VerifiedAt: elsewhere}}},
			Drift: []finding.Finding{{Code: "key-missing", Since: elsewhere}}}},
			[]rotate.State{{Domain: "gone.example",
				Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{PublishedAt: elsewhere}}}}}, now),
		"empty status":  status(t, nil, nil, now),
		"history":       report.NewHistory([]rotate.Event{{At: elsewhere}}),
		"empty history": report.NewHistory(nil),
		"rotate": report.NewRotate([]engine.Result{{Domain: "example.com", Done: []rotate.Event{{At: elsewhere}}},
			{Domain: "example.net"}}, []rotate.State{{Domain: "failed.example", Next: &rotate.Next{At: elsewhere}}}, nil),
		"empty rotate":    report.NewRotate(nil, nil, nil),
		"validation":      report.NewValidation("a.yaml", 0, nil, nil),
		"failed validate": report.NewValidation("a.yaml", 0, []report.Mistake{{File: "a.yaml", Line: 1, Problem: "p"}}, nil),
	} {
		t.Run(title, func(t *testing.T) {
			text, read := document(t, doc)
			if strings.Contains(text, "+05:30") {
				t.Errorf("a time is not UTC:\n%s", text)
			}
			for _, list := range []string{"domains", "events", "errors", "warnings", "entries"} {
				if v, ok := read[list]; ok && v == nil {
					t.Errorf("%s is null", list)
				}
			}
		})
	}
}

// A status says null where there is no selector of that role.
func TestStatusRoles(t *testing.T) {
	both := map[string]*rotate.Selector{"s1": {}, "s2": {}}
	for phase, c := range map[rotate.Phase]struct {
		state rotate.State
		want  [3]any // active, standby, draining
	}{
		rotate.New:           {rotate.State{}, [3]any{nil, nil, nil}},
		rotate.Bootstrapping: {rotate.State{Target: "s1", Selectors: both}, [3]any{nil, nil, nil}},
		rotate.Ready:         {rotate.State{Active: "s1", Selectors: both}, [3]any{"s1", "s2", nil}},
		rotate.Switching:     {rotate.State{Active: "s1", Target: "s2", Selectors: both}, [3]any{"s1", "s2", nil}},
		rotate.Draining:      {rotate.State{Active: "s2", Draining: "s1", Selectors: both}, [3]any{"s2", nil, "s1"}},
		rotate.Replacing:     {rotate.State{Active: "s2", Draining: "s1", Selectors: both}, [3]any{"s2", nil, "s1"}},
	} {
		c.state.Domain, c.state.Phase = "example.com", phase
		_, read := document(t, status(t, []rotate.State{c.state}, nil, now))
		d := read["domains"].([]any)[0].(map[string]any)
		if got := [3]any{d["active"], d["standby"], d["draining"]}; got != c.want || d["phase"] != string(phase) {
			t.Errorf("%s: got %v, want %v", phase, got, c.want)
		}
	}
}

func TestProblem(t *testing.T) {
	for _, c := range []struct {
		err  error
		want *report.Problem
	}{
		{nil, nil},
		{errors.New("x"), &report.Problem{Kind: "transient", Message: "x"}},
		{fault.Lasting("read", errors.New("x"), "do"), &report.Problem{Kind: "permanent", Message: "read: x", Hint: "do"}},
		{context.Canceled, &report.Problem{Kind: "transient", Code: "interrupted",
			Message: "interrupted between two steps; nothing is lost", Hint: "run the same command again to continue"}},
		{fault.Temporary("ask", context.Canceled, ""), &report.Problem{Kind: "transient", Message: "ask: context canceled"}},
	} {
		if diff := cmp.Diff(c.want, report.NewProblem(c.err)); diff != "" {
			t.Errorf("%v:\n%s", c.err, diff)
		}
	}
}

// Records hold characters that HTML would have escaped.
func TestJSONIsNotEscaped(t *testing.T) {
	text, _ := document(t, report.NewHistory([]rotate.Event{{Message: "a < b & c"}}))
	if !strings.Contains(text, "a < b & c") {
		t.Errorf("got %s", text)
	}
}
