package engine_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// TestAbreastIntended: whatever is written while switches are made beside a slow one, a signer that was given the key is
// noted as switched, or its switch is still intended (I7). No revocation comes between.
func TestAbreastIntended(t *testing.T) {
	for title, c := range map[string]struct{ all, hang, silent []string }{
		"the first hangs":              {[]string{"mx1", "mx2", "mx3", "mx4"}, []string{"mx1"}, nil},
		"a revocation stands between":  {[]string{"mx1", "mx2", "mx3"}, []string{"mx2"}, []string{"mx1"}},
		"others hang, and stand apart": {[]string{"mx1", "mx2", "mx3", "mx4"}, []string{"mx2", "mx3"}, []string{"mx1", "mx4"}},
	} {
		t.Run(title, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, d, _ := hanging(t, c.hang, c.all...)
				given, pause := map[string]bool{}, w.pause
				var mu sync.Mutex
				w.pause = func(op string) {
					mu.Lock()
					name, activates := strings.CutPrefix(op, "activate ")
					given[name] = activates && !slices.Contains(c.hang, name)
					mu.Unlock()
					pause(op)
				}
				w.answerLater(c.silent, time.Second/2)
				parts, beside := w.engine().Parts, 0
				parts.Stored = func(_, after rotate.State) {
					mu.Lock()
					defer mu.Unlock()
					for name, was := range given {
						noted := after.Signers[name].Selector == "s2" && !after.Signers[name].Unsure
						if was && !noted && !after.Intent.Switches(name) {
							t.Errorf("I7: %s was given the key, and %+v is intended", name, after.Intent)
						}
					}
					if after.Intent != nil {
						beside = max(beside, len(after.Intent.Beside))
					}
				}
				d.Instruction = rotate.Compromised{Selectors: []string{"s1"}}
				newEngine(parts).Advance(t.Context(), d)
				for _, name := range c.all {
					if got := w.state(d.Name).Signers[name]; !slices.Contains(c.hang, name) && got.Selector != "s2" {
						t.Errorf("%s is noted as %+v", name, got)
					}
				}
				if beside == 0 {
					t.Error("nothing was begun beside the slow switch")
				}
			})
		})
	}
}

// answerLater has hosts be silent until some time has passed.
func (w *world) answerLater(names []string, after time.Duration) {
	silence := func(silent bool) {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, name := range names {
			w.hosts[name].silent = silent
		}
	}
	silence(true)
	time.AfterFunc(after, func() { silence(false) })
}

// TestAbreastNotedWhateverDNSShows: a signer that was switched beside a slow one is noted as switched, also where
// somebody else's record stands at the selector by then: it signs with that key (I10).
func TestAbreastNotedWhateverDNSShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d, _ := hanging(t, []string{"mx1"}, "mx1", "mx2")
		s2, began := dkim.Name{Domain: d.Name, Selector: "s2"}, time.Now()
		w.shows = func(s *rotate.Sight) {
			if s.Owner == s2.String() && time.Since(began) > hangFor/2 {
				s.Values = []string{"v=DKIM1; p=somebodyElse"}
			}
		}
		w.order(d, rotate.Compromised{Selectors: []string{"s1", "s2"}, RevokeNow: true})
		if at := w.comes("mx2", "s2", began); at == day {
			t.Fatal("mx2 was not switched beside mx1")
		}
		st := w.state(d.Name)
		if c := st.Signers["mx2"]; c.Selector != "s2" || c.KeyID != st.Selector("s2").Key.ID || c.Unsure {
			t.Errorf("mx2 is noted as %+v", c)
		}
	})
}

// TestAbreastInterrupted: when the interruption ends the slow switch itself, what the others confirmed is noted as well.
func TestAbreastInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, d, heal := hanging(t, []string{"mx1"}, "mx1", "mx2", "mx3")
		w.hosts["mx1"].twin = context.Canceled
		w.pause = func(op string) {
			if op == "activate mx1" {
				time.Sleep(hangFor)
			}
		}
		heal()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(hangFor/2, cancel)
		d.Instruction = rotate.Compromised{Selectors: []string{"s1"}}
		res := w.engine().Advance(ctx, d)
		if res.Err != context.Canceled || res.State.Failures > 0 {
			t.Errorf("%v, %d failures", res.Err, res.State.Failures)
		}
		for _, name := range []string{"mx2", "mx3"} {
			if c := w.state(d.Name).Signers[name]; c.Selector != "s2" || c.Unsure {
				t.Errorf("%s is noted as %+v", name, c)
			}
		}
	})
}
