package app

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate"
)

// TestLeaveOut: the states that are kept for metrics and pages hold no key records, and pages show the same.
func TestLeaveOut(t *testing.T) {
	now := time.Date(2026, 11, 28, 9, 0, 0, 0, time.UTC)
	key := func(id string) *rotate.Key {
		return &rotate.Key{ID: strings.Repeat(id, 32), Version: 2, Record: "v=DKIM1; p=" + strings.Repeat("M", 392),
			StoredAt: now, PublishedAt: now, VerifiedAt: now, Leaked: now}
	}
	st := rotate.State{Domain: "example.test", Phase: rotate.Replacing, Active: "s1", Draining: "s2",
		Selectors: map[string]*rotate.Selector{"s1": {Key: key("1a"), LastUsedAt: now, Past: []string{"x"}},
			"s2": {Key: key("2b"), Next: key("3c"), Tried: []string{"y"}, Retired: []rotate.Retired{{KeyID: "z"}}}, "s3": {}},
		Signers: map[string]rotate.Confirmed{"mx1": {Selector: "s1", KeyID: strings.Repeat("1a", 32), At: now}}}
	text := func() string {
		var out strings.Builder
		show.Text{Pen: screen.Pen{W: &out, Now: now}}.Status(st)
		return out.String()
	}
	before := text()
	leaveOut(st)
	if after := text(); after != before || !strings.Contains(before, "compromised") {
		t.Errorf("a page shows\n%s\nand showed\n%s", after, before)
	}
	if st.Selectors["s1"].Key.Record+st.Selectors["s2"].Key.Record+st.Selectors["s2"].Next.Record != "" {
		t.Error("records are kept")
	}
}
