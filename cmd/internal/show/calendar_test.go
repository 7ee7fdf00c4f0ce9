package show_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/forecast"
)

// TestCalendarWords: each entry says what is so: nothing is published again that never
// was, and no key is leaked, first or replaced that is not.
func TestCalendarWords(t *testing.T) {
	step := func(kind rotate.Kind, code string) rotate.Step {
		return rotate.Step{Kind: kind, Selector: "s1", Reason: rotate.Reason{Code: codes.Code(code)}}
	}
	for want, c := range map[string]struct {
		phase rotate.Phase
		steps []rotate.Step
	}{
		"s1 gets its first key, published and seen in DNS": {rotate.Bootstrapping,
			[]rotate.Step{step(rotate.StoreKey, "stored-first"), step(rotate.Publish, "bootstrap")}},
		"s1 gets a fresh key, which no mail is signed with yet": {rotate.Replacing,
			[]rotate.Step{step(rotate.StoreKey, "stored-first"), step(rotate.Publish, "replace")}},
		"the record of the stored key of s1 is published": {rotate.Bootstrapping,
			[]rotate.Step{step(rotate.Publish, "bootstrap")}},
		"the key record of s1, which is missing from DNS, is published again": {rotate.Ready,
			[]rotate.Step{step(rotate.Publish, "vanished")}},
		"the compromised key of s1 is destroyed": {rotate.Draining, []rotate.Step{step(rotate.Destroy, "compromised")}},
		"the replaced key of s1 is destroyed":    {rotate.Replacing, []rotate.Step{step(rotate.Destroy, "replaced")}},
		"the key of s1 is destroyed":             {rotate.Ready, []rotate.Step{step(rotate.Destroy, "purge")}},
		"the key of s1, which was released and which no mail needs any more, is revoked": {rotate.Ready,
			[]rotate.Step{step(rotate.Revoke, "purge")}},
	} {
		o := forecast.Outlook{Name: "a.test"}
		for _, s := range c.steps {
			o.Coming = append(o.Coming, forecast.Coming{Phase: c.phase, Step: s})
		}
		doc := report.NewCalendar(time.Time{}, time.Time{}, []forecast.Outlook{o})
		if len(doc.Entries) != 1 || doc.Entries[0].Message != want {
			t.Errorf("got %+v, want %q", doc.Entries, want)
		}
	}
}
