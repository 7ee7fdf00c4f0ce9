package engine_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// stuck is a DNS account that does not answer.
type stuck struct{ onWrite func(dkim.TXT) }

func (s stuck) Publish(_ context.Context, rec dkim.TXT) error {
	s.onWrite(rec)
	return fault.Temporary("publish "+rec.Owner, errors.New("connection refused"), "look whether the account's server runs")
}

// TestServedBeforeTheAccount guards I1: a host that is built again waits for no DNS account that does not answer. What its
// key's record has nothing to do with comes after it, and its own record is written with one try only, where others
// sign with the key; the next run tries for as long as it takes.
func TestServedBeforeTheAccount(t *testing.T) {
	for title, vanished := range map[string]string{"the standby's record": "s2", "its own record": "s1"} {
		w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
		w.settle(d)
		w.pass(time.Hour)
		host, writes, patient := w.hosts["mx1"], 0, false
		parts, other := w.engine().Parts, &secondAccount{shown: map[string]string{}}
		for _, s := range []string{"s1", "s2"} {
			other.shown[nameAt(s)] = w.state(d.Name).Selectors[s].Key.Record
		}
		d.Also = []string{"new"}
		delete(other.shown, nameAt(vanished))
		other.Looker, parts.Look = parts.Look, other
		parts.Publishers["new"] = stuck{func(rec dkim.TXT) {
			writes++
			patient = !rec.Once
			if signs := host.selector(d.Name) == "s1"; !signs && (vanished == "s2" || patient) {
				t.Errorf("%s: mx1 signs with nothing while an account is tried for that of %s", title, rec.Owner)
			}
		}}
		host.leave(d.Name)
		newEngine(parts).Advance(t.Context(), d)
		if got := host.selector(d.Name); got != "s1" || writes == 0 {
			t.Errorf("%s: mx1 signs with %q after %d writes", title, got, writes)
		}
		w.pass(time.Hour)
		if newEngine(parts).Advance(t.Context(), d); !patient {
			t.Errorf("%s: nobody waits any more, and the account is tried once only", title)
		}
	}
}

var _ ports.Publisher = stuck{}
