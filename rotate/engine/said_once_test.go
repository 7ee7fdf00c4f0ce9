package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// TestExposureOnceWhateverFails: that a compromised key stays in use is said once for each key, whatever fails, and in whatever
// phase: people read it at night.
func TestExposureOnceWhateverFails(t *testing.T) {
	phases := map[string]func(*world, wish){
		"ready":     func(w *world, d wish) { w.settle(d) },
		"switching": (*world).halfSwitched,
		"draining":  (*world).switched,
	}
	for _, title := range []string{"stored", "published", "seen"} {
		phases["replacing, "+title] = replacing()[title]
	}
	for phase, prepare := range phases {
		for _, o := range []rotate.Compromised{{}, {Selectors: []string{"s1"}}, {Selectors: []string{"s2"}}, {Selectors: []string{"s1", "s2"}}} {
			for _, what := range [][]string{{"ask mx1", "activate mx1", "activate mx2"}, {"activate mx1", "activate mx2"},
				{"publish s1"}, {"look s1", "look s2"}} {
				t.Run(fmt.Sprint(phase, " ", strings.Join(o.Selectors, "+"), " ", strings.Join(what, ",")), func(t *testing.T) {
					w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
					w.lag = 0
					prepare(w, d)
					w.trouble = failing(what...)
					d.Instruction = o
					for range 3 {
						res := w.engine().Advance(context.Background(), d)
						text := strings.Join(finding.Texts(res.Plan.Warnings), "\n")
						if res.Err != nil {
							text += "\n" + fault.Text(res.Err)
						}
						for _, s := range []string{"s1", "s2"} {
							if n := strings.Count(text, "compromised key at "+s+"._domainkey.example.com: no signer could"); n > 1 {
								t.Errorf("it is said %d times of %s: %s", n, s, text)
							}
						}
						if strings.Contains(text, "verifies: leave and revoke") {
							t.Errorf("one key is the reason of the other: %s", text)
						}
						d.Instruction = nil
						w.pass(time.Hour)
					}
				})
			}
		}
	}
}
