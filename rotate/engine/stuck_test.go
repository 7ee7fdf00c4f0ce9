package engine_test

import (
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// TestStuckSigner: that a signer would refuse a switch is found by the health check long before one is due. What
// the run refuses the dry run says, a switch is not left half done for it, and the way out leads out.
func TestStuckSigner(t *testing.T) {
	stuck := fault.Refuse(codes.UnreadableTable, "use table /t: it can't be read", "run: chmod o+r /t")
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.hosts["mx2"].stuck = stuck
	if res := w.engine().Advance(t.Context(), d); res.Err != nil || plantest.Findings(res.State.Drift) != "signer-stuck mx2!" {
		t.Errorf("the health check: %v, %+v", res.Err, res.State.Drift)
	}
	d.Asked = true
	if p := w.plan(d); fault.Text(p.Stop) != fault.Text(stuck) || len(p.Steps) > 0 {
		t.Errorf("the dry run: %v, %s", p.Stop, plantest.Steps(p, w.Now()))
	}
	res := w.engine().Advance(t.Context(), d)
	if fault.Text(res.Err) != fault.Text(stuck) || res.State.Phase != rotate.Ready {
		t.Errorf("the run: %v, phase %s", res.Err, res.State.Phase)
	}
	w.hosts["mx2"].stuck = nil
	w.pass(time.Hour)
	if res := w.engine().Advance(t.Context(), d); res.Err != nil || res.State.Phase != rotate.Draining ||
		len(res.State.Drift) > 0 {
		t.Errorf("afterwards: %v, phase %s, %+v", res.Err, res.State.Phase, res.State.Drift)
	}
}

// TestSwitchThatWouldBeRefused: what a signer refuses for one key only, as it does beside other people's lines,
// the dry run says, too. It stops no switch to the other selector.
func TestSwitchThatWouldBeRefused(t *testing.T) {
	line := fault.Refuse(codes.ForeignSignerLine, "activate s2 on signer mx2: /t has a line", "remove that line")
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(8 * day)
	w.hosts["mx2"].refuses = map[string]error{"s2": line}
	if res := w.engine().Advance(t.Context(), d); res.Err != nil || plantest.Findings(res.State.Drift) != "signer-stuck mx2!" {
		t.Errorf("the health check: %v, %+v", res.Err, res.State.Drift)
	}
	d.Asked = true
	if p := w.plan(d); fault.CodeOf(p.Stop) != codes.ForeignSignerLine || len(p.Steps) > 0 {
		t.Errorf("the dry run: %v, %s", p.Stop, plantest.Steps(p, w.Now()))
	}
	if res := w.engine().Advance(t.Context(), d); fault.CodeOf(res.Err) != codes.ForeignSignerLine ||
		w.hosts["mx1"].selector(d.Name) != "s1" || res.State.Phase != rotate.Ready {
		t.Errorf("the run: %v, phase %s", res.Err, res.State.Phase)
	}
	w.hosts["mx2"].refuses = map[string]error{"s1": line}
	w.pass(time.Hour)
	if res := w.engine().Advance(t.Context(), d); res.Err != nil || res.State.Phase != rotate.Draining {
		t.Errorf("a switch to the other selector: %v, phase %s", res.Err, res.State.Phase)
	}
}

// TestStuckSignerInAnEmergency: signers that can leave a compromised key do, and the one that refuses is named
// by dry run and run alike (I2).
func TestStuckSignerInAnEmergency(t *testing.T) {
	stuck := fault.Refuse(codes.UnreadableTable, "use table /t: it can't be read", "run: chmod o+r /t")
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.hosts["mx1"].stuck = stuck
	d.Instruction = rotate.Compromised{}
	if p := w.plan(d); fault.CodeOf(p.Stop) != codes.UnreadableTable {
		t.Errorf("the dry run: %v", p.Stop)
	}
	res := w.engine().Advance(t.Context(), d)
	w.pass(time.Minute) // until every server shows it
	if fault.CodeOf(res.Err) != codes.UnreadableTable || w.hosts["mx2"].selector(d.Name) != "s2" || !w.revokedAt("s1") {
		t.Errorf("the run: %v (%s), mx2 signs with %q, s1 shows %q", res.Err, fault.CodeOf(res.Err), w.hosts["mx2"].selector(d.Name), w.shown("s1._domainkey.example.com"))
	}
}
