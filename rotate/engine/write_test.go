package engine_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
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
