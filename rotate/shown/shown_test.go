package shown_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// TestWritten: a revocation takes the place of dkimbot's own record on each server that shows it, and leaves what is
// somebody else's. What was said of the servers before is not said any more (I6).
func TestWritten(t *testing.T) {
	key := plantest.Keys()[0]
	own, theirs, revoked := plantest.Record(key), "v=spf1 -all", "v=DKIM1; k=ed25519; p="
	sel := rotate.Selector{Key: &rotate.Key{ID: key.ID(), Record: own}}
	sight := rotate.Sight{Values: []string{own, theirs}, Lagging: []string{"ns1: shows key"},
		Shown: map[string][]string{"ns1": {own}, "ns2": {own, theirs}, "ns3": {theirs}, "ns4": nil}}
	want := rotate.Sight{Values: []string{revoked, theirs},
		Shown: map[string][]string{"ns1": {revoked}, "ns2": {revoked, theirs}, "ns3": {theirs}, "ns4": nil}}
	if d := cmp.Diff(want, shown.Written(sight, sel, revoked)); d != "" {
		t.Error(d)
	}
	if still := shown.Still(sight, sel.Key); still != "ns1, ns2" || !shown.Somewhere(sight, sel) || !shown.Nothing(sight) {
		t.Errorf("still %q, somewhere %t, nothing %t", still, shown.Somewhere(sight, sel), shown.Nothing(sight))
	}
	if after := shown.Written(sight, sel, revoked); shown.Somewhere(after, sel) || shown.Still(after, sel.Key) != "" {
		t.Errorf("after: %+v", after)
	}
}
