package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/forecast"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// foresee returns what is to come for the domain, given what is there now.
func (w *world) foresee(d wish, length time.Duration) forecast.Outlook {
	w.Helper()
	p := &process{world: w, id: "planner"}
	planner := &engine.Planner{State: w.store, Keys: p, Look: p, Clock: p, Signers: map[string]ports.SignerReader{}}
	lags := map[string]time.Duration{}
	for name, h := range w.hosts {
		planner.Signers[name], lags[name] = agent{p, h}, h.lag
	}
	made, have, err := planner.Plan(context.Background(), d.Domain, d.Request)
	if err != nil {
		w.Fatalf("%v", err)
	}
	return forecast.Of(forecast.Start{Now: w.Now(), Want: d.Domain, Request: d.Request, Have: have, Seen: made.Seen,
		Lags: lags}, w.Now().Add(length))
}

// What is foreseen is what happens, step by step and to the second, when nothing
// gets in between: from nothing, from the middle of a turn, and from a mishap.
func TestForecastComesTrue(t *testing.T) {
	for title, begin := range map[string]func(t *testing.T, w *world, d *wish){
		"new":   func(*testing.T, *world, *wish) {},
		"ready": func(_ *testing.T, w *world, d *wish) { w.settle(*d) },
		"bootstrapping": func(_ *testing.T, w *world, d *wish) {
			w.engine().Advance(context.Background(), *d)
		},
		"switching": func(_ *testing.T, w *world, d *wish) {
			w.settle(*d)
			w.trouble = failing("activate mx2")
			w.engine().Advance(context.Background(), asked(*d))
			w.trouble = nil
		},
		"draining": func(_ *testing.T, w *world, d *wish) {
			w.settle(*d)
			w.engine().Advance(context.Background(), asked(*d))
			w.pass(3 * day)
		},
		"replacing": func(_ *testing.T, w *world, d *wish) {
			w.settle(*d)
			w.engine().Advance(context.Background(), asked(*d))
			w.pass(8 * day)
			w.trouble = failing("destroy s1")
			w.engine().Advance(context.Background(), *d)
			w.trouble = nil
		},
		"a key is compromised": func(_ *testing.T, w *world, d *wish) {
			w.settle(*d)
			order := *d
			order.Instruction = rotate.Compromised{Selectors: []string{"s1"}}
			w.trouble = failing("publish s1")
			w.engine().Advance(context.Background(), order)
			w.trouble = nil
		},
		"a record is gone": func(_ *testing.T, w *world, d *wish) {
			w.settle(*d)
			w.spoil("s1", "")
		},
		"a signer is new": func(_ *testing.T, w *world, d *wish) {
			w.settle(*d)
			w.addHost("mx3")
			d.Signers = append(d.Signers, "mx3")
		},
		"often": func(_ *testing.T, _ *world, d *wish) {
			d.Policy.Schedule, d.Policy.Splay = "0 9 */2 * *", 5*time.Hour
		},
		"windows": func(_ *testing.T, w *world, d *wish) {
			w.settle(*d)
			d.Limits.Windows = []calendar.Period{{Schedule: "0 22 * * 6", Duration: 2 * time.Hour, Timezone: "UTC",
				Key: "limits.windows[0]"}}
		},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.lag = 0
			begin(t, w, &d)
			end := w.Now().Add(200 * day)
			out := w.foresee(d, 200*day)
			if out.Stop != nil || len(out.Coming) < 8 || !out.Until.Equal(end) {
				t.Fatalf("%v, %d steps, until %s", out.Stop, len(out.Coming), out.Until)
			}
			var want []string
			for _, c := range out.Coming {
				want = append(want, c.At.Format(time.DateTime)+" "+string(c.Step.Kind)+" "+c.Step.Selector+" "+c.Step.Signer)
			}
			if diff := cmp.Diff(want, w.happens(t, d, end)); diff != "" {
				t.Errorf("it comes otherwise (- foreseen, + happened):\n%s", diff)
			}
		})
	}
}

// happens runs the domain until end, and returns each step that was taken.
func (w *world) happens(t *testing.T, d wish, end time.Time) (steps []string) {
	parts := w.engine().Parts
	parts.Notify = func(e rotate.Event) {
		if e.Outcome == "done" {
			steps = append(steps, e.At.Format(time.DateTime)+" "+string(e.Kind)+" "+e.Selector+" "+e.Signer)
		}
	}
	e := newEngine(parts)
	for {
		res := e.Advance(context.Background(), d)
		if res.Err != nil {
			t.Fatal(res.Err)
		}
		d.Instruction = nil
		next := res.State.Next.At
		if next.After(end) {
			return steps
		}
		w.pass(next.Sub(w.Now()))
	}
}

// A forecast ends where a person has to act, or where nobody can look any further.
func TestForecastStops(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.spoil("s2", plantest.ForeignRecord)
	if out := w.foresee(d, 90*day); fault.CodeOf(out.Stop) != "foreign-record" || len(out.Coming) > 0 ||
		!out.Until.Equal(w.Now()) {
		t.Errorf("foreign record: %v, %d steps, until %s", out.Stop, len(out.Coming), out.Until)
	} else {
		faulttest.Shown(t, out.Stop)
	}
	w, d = newWorld(t, "mx1"), wanted("mx1")
	d.Policy.Schedule, d.Policy.Drain, d.Policy.Settle, d.Policy.TTL = "* * * * *", time.Second, time.Second, time.Second
	out := w.foresee(d, 100*365*day)
	if out.Stop == nil || !strings.Contains(out.Stop.Error(), "more than 5000 steps are to come") ||
		len(out.Coming) != 5000 || !out.Until.Equal(out.Coming[4999].At) {
		t.Errorf("too often: %v, %d steps, until %s", out.Stop, len(out.Coming), out.Until)
	}
	w, d = newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	w.trouble = func(op string) trouble {
		if op == "ask mx1" {
			return refused
		}
		return fine
	}
	if out := w.foresee(d, 90*day); out.Name != d.Name || out.Phase != rotate.Ready || len(out.Coming) == 0 {
		t.Errorf("a signer that does not answer: %+v", out)
	}
	d.Policy.Schedule = "never"
	if out := w.foresee(d, 90*day); out.Stop == nil {
		t.Error("a schedule that can't be read is foreseen")
	}
}
