package engine_test

import (
	"context"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// TestNothingForeignIsOverwritten: what somebody puts at a selector's name after the
// run has looked there stands afterwards, whether it comes before the last look or
// between that and the write (I6).
func TestNothingForeignIsOverwritten(t *testing.T) {
	for name, tt := range map[string]struct {
		op     string // before which the record appears
		ready  bool
		change func(w *world, d *wish)
	}{
		"while keys are stored":  {op: "put s2"},
		"between look and write": {op: "publish s2"},
		"between look and repair": {op: "publish s2", ready: true,
			change: func(w *world, _ *wish) { w.spoil("s2", "") }},
		"between look and revocation":    {op: "publish s1", ready: true, change: leaked},
		"while signers leave for others": {op: "activate mx1", ready: true, change: leaked},
	} {
		t.Run(name, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			if tt.ready {
				w.settle(d)
				w.pass(40 * day)
			}
			if tt.change != nil {
				tt.change(w, &d)
			}
			selector, planted, tried := "s2", false, false
			if tt.ready && d.Instruction != nil {
				selector = "s1"
			}
			w.pause = func(op string) {
				tried = tried || op == "publish "+selector
				if op == tt.op && !planted {
					planted = true
					w.spoil(selector, plantest.ForeignRecord)
				}
			}
			res := w.engine().Advance(t.Context(), d)
			if !planted {
				t.Fatal("the record was never planted")
			}
			if fault.CodeOf(res.Err) != "foreign-record" || fault.KindOf(res.Err) != fault.Refused {
				t.Errorf("got %v, want a refusal with code foreign-record", res.Err)
			}
			if early := !strings.HasPrefix(tt.op, "publish"); early && tried {
				t.Error("nobody looked before the write: the provider was left to find out")
			}
			if got := w.shown(selector + "._domainkey.example.com"); got[0] != plantest.ForeignRecord {
				t.Errorf("I6: the record was overwritten: %q", got)
			}
		})
	}
}

func leaked(_ *world, d *wish) { d.Instruction = rotate.Compromised{} }

// TestSecondLook: a name that leads nowhere by the time a record is to be written keeps it from being written; that
// no server answers just then does not, so that no revocation is delayed.
func TestSecondLook(t *testing.T) {
	for title, tt := range map[string]struct {
		spoil func(w *world)
		done  bool
	}{
		"a CNAME in a circle": {func(w *world) { w.misled = "s1" }, false},
		"no answer":           {func(w *world) { w.trouble = failing("look s1") }, true},
	} {
		w, d := newWorld(t, "mx1"), wanted("mx1")
		w.settle(d)
		w.pass(8 * day)
		w.trouble = func(op string) trouble {
			if op == "activate mx1" {
				tt.spoil(w)
			}
			return fine
		}
		w.order(d, rotate.Compromised{})
		if e := w.event(d, rotate.Revoke); (e.Outcome == codes.OutcomeDone) != tt.done {
			t.Errorf("%s: %+v", title, e)
		}
	}
}

// recorder notes what a provider is told to expect at a name.
type recorder struct {
	ports.Publisher
	seen map[string][]string
}

func (r recorder) Publish(ctx context.Context, rec dkim.TXT) error {
	r.seen[rec.Owner] = rec.Seen
	return r.Publisher.Publish(ctx, rec)
}

// TestProviderHearsWhatStands: a provider that compares before it writes is told what DNS showed; where DNS is not
// asked, what dkimbot has published there (I6).
func TestProviderHearsWhatStands(t *testing.T) {
	const s1, s2 = "s1._domainkey.example.com", "s2._domainkey.example.com"
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.spoil("s2", "")
	parts, seen := w.engine().Parts, map[string][]string{}
	parts.Publishers = map[string]ports.Publisher{"office": recorder{parts.Publishers["office"], seen}}
	newEngine(parts).Advance(t.Context(), d)
	if got, known := seen[s2]; !known || len(got) > 0 {
		t.Errorf("nothing stands at s2, and it is told %q", got)
	}
	w.pass(8 * day)
	old := w.state(d.Name).Selectors["s1"].Key.Record
	parts.Look, w.lag = unasked{}, 0
	newEngine(parts).Settle(t.Context(), asked(d), forever, nil)
	if got := seen[s1]; len(got) != 1 || got[0] != old {
		t.Errorf("it is told %q at s1, want %q", got, old)
	}
}
