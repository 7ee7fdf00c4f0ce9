package accounts_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/accounts"
)

// TestExpected: where it is not asked what stands at a name, a write may replace what dkimbot has published there,
// and nothing that is yet to be published (I6).
func TestExpected(t *testing.T) {
	at := time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)
	seen := func(sel rotate.Selector) []string {
		return accounts.TXT(sel, rotate.Sight{Unchecked: true}, "fresh", time.Hour).Seen
	}
	sel := rotate.Selector{Key: &rotate.Key{Record: "old", PublishedAt: at}, Next: &rotate.Key{Record: "fresh"}}
	if got := seen(sel); !slices.Equal(got, []string{"old"}) {
		t.Errorf("got %q", got)
	}
	if sel.Next.PublishedAt = at; !slices.Equal(seen(sel), []string{"old", "fresh"}) {
		t.Errorf("got %q", seen(sel))
	}
	if got := seen(rotate.Selector{}); len(got) > 0 {
		t.Errorf("nothing was published, got %q", got)
	}
}
