package finding_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// What is reported twice is known by what it is about, whatever the words.
func TestSaid(t *testing.T) {
	f := finding.Finding{Code: codes.RecordForeign, Selector: "s1", Message: "a record of somebody"}
	about := func(kind finding.ThingKind, selector string) error {
		return finding.WithThing(finding.Thing{Kind: kind, Selector: selector}, errors.New("no"))
	}
	same := about(finding.TheRecord, "s1")
	for title, c := range map[string]struct {
		err    error
		is, by bool
	}{
		"nothing":          {nil, false, false},
		"the same words":   {errors.New(f.Message), false, false},
		"the same thing":   {same, true, true},
		"a part":           {fmt.Errorf("rotate: %w", same), false, true},
		"one of two":       {errors.Join(about(finding.TheKey, "s1"), same), false, true},
		"a cause":          {fault.Lasting("rotate", same, "wait"), false, true},
		"another selector": {about(finding.TheRecord, "s2"), false, false},
		"the key there":    {about(finding.TheKey, "s1"), false, false},
	} {
		if f.Is(c.err) != c.is || f.CoveredBy(c.err) != c.by {
			t.Errorf("%s: is %t, told by %t", title, f.Is(c.err), f.CoveredBy(c.err))
		}
	}
	f.Cause = codes.StaleState
	stale := finding.WithThing(finding.Thing{Kind: finding.TheKey, Selector: "s1"}, fault.Refuse(codes.StaleState, "old", "restore"))
	if !f.CoveredBy(stale) {
		t.Error("one cause of two findings is reported twice")
	}
	if finding.WithThing(finding.Thing{}, nil) != nil {
		t.Error("no error is told of")
	}
}

// What is not so any more is left out of what a run says; what has a cause of its own stays.
func TestWithout(t *testing.T) {
	about := func(kind finding.ThingKind, err error) error {
		return finding.WithThing(finding.Thing{Kind: kind}, err)
	}
	said := about(finding.TheExposure, fault.Temporary("revoke the key", nil, "wait"))
	caused := about(finding.TheExposure, fault.Temporary("revoke the key", errors.New("the disk is full"), "wait"))
	other := about(finding.TheKey, fault.Temporary("read the key", nil, "wait"))
	plain := errors.New("no")
	for title, c := range map[string]struct{ err, want error }{
		"nothing":          {nil, nil},
		"another error":    {plain, plain},
		"another thing":    {other, other},
		"it":               {said, nil},
		"one of two":       {errors.Join(plain, said), plain},
		"deeper":           {errors.Join(errors.Join(said), errors.Join(other, said)), other},
		"nothing is left":  {errors.Join(said, said), nil},
		"a cause of it":    {caused, caused},
		"no fault":         {about(finding.TheExposure, plain), plain},
		"before the other": {errors.Join(said, caused), caused},
	} {
		got := finding.Without(finding.TheExposure, c.err)
		if (got == nil) != (c.want == nil) || got != nil && got.Error() != c.want.Error() {
			t.Errorf("%s: %v is left; want %v", title, got, c.want)
		}
	}
}

// A state that a version wrote which did not know what failures and findings are about.
func TestOlderStateReads(t *testing.T) {
	const old = `{"domain":"example.com","revision":7,"phase":"ready","active":"s1","failures":2,` +
		`"last_error":"s2._domainkey.example.com holds a record that dkimbot did not make","refused":true,` +
		`"drift":[{"code":"record-foreign","selector":"s2","message":"not ours","repair":"remove it","asks":true,` +
		`"since":"2026-11-01T00:00:00Z"}]}`
	var st rotate.State
	if err := json.Unmarshal([]byte(old), &st); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(st)
	if err != nil || string(text) != old {
		t.Errorf("%v: written as\n%s\nit was\n%s", err, text, old)
	}
	if thing := st.Drift[0].Thing(); thing != (finding.Thing{Kind: finding.TheRecord, Selector: "s2"}) {
		t.Errorf("%+v", thing)
	}
	basis := st.Basis()
	st.Failed, st.LastError = rotate.FailureOf(rotate.Step{}, fault.Refuse(codes.StaleState, "x", "y")), "other"
	if st.Basis() != basis {
		t.Error("what failed makes a saved plan stale")
	}
	if text, _ := json.Marshal(st); !strings.Contains(string(text), `"failed":{"code":"stale-state"}`) {
		t.Errorf("written as %s", text)
	}
}
