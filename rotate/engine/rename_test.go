package engine_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// renamed gives a host of the world another name, and returns the domain as the configuration names it now.
func (w *world) renamed(d wish, was, name string) wish {
	w.hosts[name] = w.hosts[was]
	d.Signers = slices.Clone(d.Signers)
	d.Signers[slices.Index(d.Signers, was)] = name
	d.Renamed = map[string]string{name: was}
	return d
}

// TestRenamedSigner: a signer with another name is the same signer in every phase: it is not set up again, no
// drain starts again, and nothing is reported as drift (I1, I2, I10).
func TestRenamedSigner(t *testing.T) {
	for _, c := range []struct {
		phase rotate.Phase
		reach func(*world, wish)
	}{
		{rotate.Ready, func(w *world, d wish) { w.settle(d) }},
		{rotate.Switching, func(w *world, d wish) {
			w.settle(d)
			w.pass(8 * day)
			w.trouble = failing("activate mx2")
			d.Asked = true
			w.engine().Advance(context.Background(), d)
			w.trouble = nil
		}},
		{rotate.Draining, func(w *world, d wish) { w.drained(d) }},
	} {
		t.Run(string(c.phase), func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			c.reach(w, d)
			w.pass(time.Hour)
			before := w.state(d.Name)
			if before.Phase != c.phase {
				t.Fatalf("phase %s", before.Phase)
			}
			d = w.renamed(d, "mx1", "mail")
			res := w.engine().Advance(t.Context(), d)
			st := w.state(d.Name)
			if res.Err != nil || len(st.Drift) > 0 || len(res.Plan.Warnings) > 0 {
				t.Errorf("%v; drift %+v; warnings %v", res.Err, st.Drift, res.Plan.Warnings)
			}
			known := before.Signers["mx1"]
			known.Was = "mx1"
			if _, stays := st.Signers["mx1"]; stays || st.Signers["mail"] != known {
				t.Errorf("the signers are %+v, and were %+v", st.Signers, before.Signers)
			}
			if c.phase == rotate.Draining && !st.SwitchedAt.Equal(before.SwitchedAt) {
				t.Errorf("I10: the drain starts again")
			}
			for _, e := range res.Done {
				if e.Kind == rotate.Activate && e.Signer == "mail" {
					t.Errorf("it is set up again: %+v", e)
				}
			}
			if !slices.ContainsFunc(res.Done, func(e rotate.Event) bool { return e.Kind == rotate.Rename }) {
				t.Error("the history does not say so")
			}
			w.settle(d)
			w.pass(30 * day)
			d.Asked = true
			w.settle(d)
			if st := w.state(d.Name); len(st.Drift) > 0 || len(st.Signers) != 2 || st.Phase != rotate.Ready {
				t.Errorf("a rotation later: phase %s, drift %+v, signers %+v", st.Phase, st.Drift, st.Signers)
			}
		})
	}
}

// TestRenamedLater: where the renaming is stated after the state has dismissed the signer, what was told of it
// is over, and what it signs with is seen before it counts.
func TestRenamedLater(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	w.settle(d)
	d = w.renamed(d, "mx1", "mail")
	stated := d.Renamed
	d.Renamed = nil
	w.pass(time.Hour)
	w.engine().Advance(t.Context(), d)
	if st := w.state(d.Name); len(st.Drift) == 0 || len(st.Signers) != 2 {
		t.Fatalf("drift %+v, signers %+v", st.Drift, st.Signers)
	}
	d.Renamed = stated
	w.pass(time.Hour)
	w.engine().Advance(t.Context(), d)
	if st := w.state(d.Name); len(st.Drift) > 0 || len(st.Signers) != 1 {
		t.Errorf("drift %+v, signers %+v", st.Drift, st.Signers)
	}
	w.checkReady(d, "s1")
}

// TestWronglyRenamed: who states that a new host is an old one is not believed: what it signs with is seen, and
// it is given the key that others sign with (I1).
func TestWronglyRenamed(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.addHost("mail")
	d.Signers, d.Renamed = []string{"mail", "mx2"}, map[string]string{"mail": "mx1"}
	w.pass(time.Hour)
	w.hosts["mx1"].stop()
	if res := w.engine().Advance(t.Context(), d); res.Err != nil || w.hosts["mail"].selector(d.Name) != "s1" {
		t.Errorf("%v; the new host signs with %q", res.Err, w.hosts["mail"].selector(d.Name))
	}
}

// TestRemovedSignerIsForgotten: when the key that a removed signer used is replaced and its mail has arrived,
// nothing is said of it any more.
func TestRemovedSignerIsForgotten(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	w.settle(d)
	w.pass(8 * day)
	d.Signers = []string{"mx1"}
	w.hosts["mx2"].stop()
	w.engine().Advance(t.Context(), d)
	for _, forgotten := range []bool{false, true} {
		if _, known := w.state(d.Name).Signers["mx2"]; known == forgotten {
			t.Errorf("mx2 is known: %v", known)
		}
		d.Asked = true
		w.settle(d)
		d.Asked = false
		w.pass(time.Hour)
		w.engine().Advance(t.Context(), d)
	}
}

// TestTablesAreRemembered guards I1: the state has by which files each signer signs, from its activation on, and by those
// that a health check finds it signing by; each process says to the signer which these were, dry runs too (I11).
func TestTablesAreRemembered(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	h := w.hosts["mx1"]
	h.tables = []string{"/etc/a"}
	w.settle(d)
	if got := w.state(d.Name).Signers["mx1"].Tables; got != "/etc/a" {
		t.Errorf("after an activation: %q", got)
	}
	h.tables, h.before = []string{"/etc/b", "/etc/c"}, nil
	if res := w.engine().Advance(t.Context(), d); res.Err != nil {
		t.Fatal(res.Err)
	}
	if got := w.state(d.Name).Signers["mx1"].Tables; got != "/etc/b\n/etc/c" || !slices.Contains(h.before, "/etc/a") {
		t.Errorf("after a look: %q; it signed by %v", got, h.before)
	}
	h.before = nil
	e := w.engine()
	p := engine.Planner{State: e.Store, Keys: e.Keys, Look: e.Look, Clock: e.Clock,
		Signers: map[string]ports.SignerReader{"mx1": e.Signers["mx1"]}}
	if _, _, err := p.Plan(t.Context(), d.Domain, d.Request); err != nil || !slices.Equal(h.before, []string{"/etc/b", "/etc/c"}) {
		t.Errorf("a dry run says that it signed by %v: %v", h.before, err)
	}
	w.pass(time.Hour)
	h.silent, h.tables = true, []string{"/etc/d"}
	w.engine().Advance(t.Context(), d)
	if got := w.state(d.Name).Signers["mx1"].Tables; got != "/etc/b\n/etc/c" {
		t.Errorf("of one that does not answer: %q", got)
	}
}
