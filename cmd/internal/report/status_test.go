package report_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

var now = time.Date(2026, 11, 28, 5, 0, 0, 0, time.UTC)

// some are states of every kind that a summary counts.
func some() []rotate.State {
	key := &rotate.Key{ID: "ab", Record: "v=DKIM1; p=<a&b>\u202e"}
	next := &rotate.Next{Action: codes.ActionRotate, At: now.Add(time.Hour)}
	return []rotate.State{
		{Domain: "new.example"},
		{Domain: "ready.example", Phase: rotate.Ready, Active: "s1", Next: next,
			Selectors: map[string]*rotate.Selector{"s1": {Key: key}, "s2": {Key: key}},
			Signers:   rotate.Confirmations{"mx1": {Selector: "s1", KeyID: "ab", At: now}}},
		{Domain: "late.example", Phase: rotate.Draining, Next: &rotate.Next{At: now.Add(-3 * time.Hour)}},
		{Domain: "failing.example", Phase: rotate.Ready, Failures: 2, Refused: true, LastError: "a <b> & c", Next: next},
		{Domain: "drifting.example", Phase: rotate.Ready, Drift: []finding.Finding{{Code: codes.RecordGone, Asks: true}}},
		{Domain: "held.example", Phase: rotate.Ready, OnHold: &rotate.OnHold{At: now}, Next: next},
		{Domain: "sent-back.example", Phase: rotate.Switching, Held: []string{"mx1"}},
		{Domain: "released.example", Phase: rotate.Ready, Released: &rotate.ReleaseState{At: now}, Next: next},
		{Domain: "leaked.example", Phase: rotate.Ready,
			Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{Leaked: now}}}},
	}
}

func each(states []rotate.State, fails error) iter.Seq2[rotate.State, error] {
	return func(yield func(rotate.State, error) bool) {
		for _, st := range states {
			if !yield(st, nil) {
				return
			}
		}
		if fails != nil {
			yield(rotate.State{}, fails)
		}
	}
}

// What is written one state at a time is what JSON writes of the whole document, and leaves out no domain.
func TestWriteStatus(t *testing.T) {
	unlisted := []rotate.State{{Domain: "left.example", Phase: rotate.Ready}}
	for _, states := range [][]rotate.State{nil, some()[:1], some()} {
		for _, left := range [][]rotate.State{nil, unlisted} {
			var got, want bytes.Buffer
			if err := report.WriteStatus(&got, report.NewCounts(states, left, now), each(states, nil), left); err != nil {
				t.Fatal(err)
			}
			doc := report.StatusDocument{}
			d := json.NewDecoder(bytes.NewReader(got.Bytes()))
			d.DisallowUnknownFields()
			if err := d.Decode(&doc); err != nil {
				t.Fatal(err)
			}
			if err := report.JSON(&want, doc); err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(want.String(), got.String()); diff != "" {
				t.Error(diff)
			}
			if len(doc.Domains) != len(states) || len(doc.Unlisted) != len(left) {
				t.Errorf("%d domains and %d that are not listed; want %d and %d", len(doc.Domains), len(doc.Unlisted),
					len(states), len(left))
			}
			for i, d := range doc.Domains {
				if d.Name != states[i].Domain {
					t.Errorf("domain %d is %s; want %s", i, d.Name, states[i].Domain)
				}
			}
		}
	}
}

func TestWriteStatusFails(t *testing.T) {
	wrong := errors.New("the disk is gone")
	err := report.WriteStatus(&bytes.Buffer{}, report.NoCounts(nil), each(some(), wrong), nil)
	if !errors.Is(err, wrong) {
		t.Errorf("%v; want %v", err, wrong)
	}
	for room := range 4 {
		w := &narrow{room: room}
		if err := report.WriteStatus(w, report.NoCounts(nil), each(some()[:2], nil), nil); !errors.Is(err, errFull) {
			t.Errorf("%v after %d writes", err, room)
		}
	}
}

// narrow takes that many writes.
type narrow struct{ room int }

var errFull = errors.New("no space left")

func (n *narrow) Write(b []byte) (int, error) {
	if n.room--; n.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}

// A gist counts as its state does, and is whole where something needs attention.
func TestGist(t *testing.T) {
	states := some()
	gists := slices.Clone(states)
	for i, st := range states {
		gists[i] = report.Gist(st, now)
		noted := slices.Contains([]string{"late.example", "failing.example", "drifting.example", "sent-back.example",
			"leaked.example"}, st.Domain)
		if whole := gocmp.Equal(gists[i], st); noted && !whole || st.Domain == "ready.example" && whole {
			t.Errorf("%s: %s", st.Domain, cmp.Or(gocmp.Diff(st, gists[i]), "kept whole"))
		}
		if a, b := report.NeedsAttention(st, now), report.NeedsAttention(gists[i], now); a != b || a != noted {
			t.Errorf("%s needs attention: %t, its gist %t", st.Domain, a, b)
		}
	}
	if diff := gocmp.Diff(report.NewCounts(states, nil, now), report.NewCounts(gists, nil, now)); diff != "" {
		t.Error(diff)
	}
}

// TestUnrevoked: a domain needs a person while attempts fail and a compromised key is not revoked.
func TestUnrevoked(t *testing.T) {
	for title, c := range map[string]struct {
		key      rotate.Key
		failures int
		want     bool
	}{
		"not revoked":        {rotate.Key{Leaked: now, PublishedAt: now}, 1, true},
		"nothing failed yet": {rotate.Key{Leaked: now, PublishedAt: now}, 0, false},
		"revoked":            {rotate.Key{Leaked: now, PublishedAt: now, RevokedAt: now}, 1, false},
		"never public":       {rotate.Key{Leaked: now}, 1, false},
		"a good key":         {rotate.Key{PublishedAt: now}, 1, false},
	} {
		st := rotate.State{Domain: "a.example", Failures: c.failures, Selectors: map[string]*rotate.Selector{"s1": {Key: &c.key}}}
		if got := report.NeedsPerson(st); got != c.want {
			t.Errorf("%s: it needs a person: %t", title, got)
		}
		exposed := strings.HasPrefix(title, "not")
		if counts := report.NewCounts([]rotate.State{st}, nil, now); exposed != (counts.Unrevoked == 1) {
			t.Errorf("%s: %+v", title, counts)
		}
	}
}

// TestGraver: a domain whose mail fails is named first, whether a person is needed or not; then one that needs a person,
// for a compromised key that is not revoked before all else; then one whose compromised key waits.
func TestGraver(t *testing.T) {
	drifts := rotate.State{Drift: []finding.Finding{{Code: codes.RecordVanished}}}
	waits := rotate.State{Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{Leaked: now, PublishedAt: now}}}}
	person := rotate.State{Drift: []finding.Finding{{Code: codes.KeyMissing, Asks: true}}}
	exposed := rotate.State{Selectors: waits.Selectors, Failures: 1}
	fails := rotate.State{Drift: []finding.Finding{{Code: codes.KeyMissing}, {Code: codes.MailFails}}}
	order := []rotate.State{drifts, waits, person, exposed, fails}
	for i, a := range order {
		for j, b := range order {
			if got := report.Graver(a, b); got != (i > j) {
				t.Errorf("%d before %d: %t", i, j, got)
			}
		}
	}
}

// TestMailFailsUnpublished: a domain whose active record is missing, and could not be published again, needs a person: its
// mail fails meanwhile (I2). Before that was tried, and at the other selector, it does not.
func TestMailFailsUnpublished(t *testing.T) {
	for _, c := range []struct {
		at       string
		failures int
		want     bool
	}{{"s1", 1, true}, {"s1", 0, false}, {"s2", 1, false}} {
		st := rotate.State{Domain: "a.example", Active: "s1", Failures: c.failures,
			Drift: []finding.Finding{{Code: codes.RecordVanished, Selector: c.at}}}
		if got := report.NeedsPerson(st); got != c.want {
			t.Errorf("%+v: it needs a person: %t", c, got)
		}
	}
}
