package engine_test

import (
	"context"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// TestFaultsOfSteps: what can go wrong between a plan and its effect, which no look beforehand shows.
func TestFaultsOfSteps(t *testing.T) {
	s2 := dkim.Name{Domain: "example.com", Selector: "s2"}
	for title, spoil := range map[string]func(*world, *wish){
		"unknown provider": func(_ *world, d *wish) { d.Provider = "nowhere" },
		"a server that does not follow": func(w *world, _ *wish) {
			w.shows = func(s *rotate.Sight) {
				s.Complete, s.Lagging = false, []string{"ns2.example.net (192.0.2.2): shows nothing"}
			}
		},
		"a zone whose signatures ran out": func(w *world, _ *wish) {
			w.shows = func(s *rotate.Sight) {
				s.Complete, s.Bogus = false, []string{"ns1.example.net (192.0.2.1): its signature expired"}
			}
		},
		"another key when it is read again": func(w *world, _ *wish) {
			other, read := w.byHand(wanted("mx1"), "elsewhere").Key, 0
			w.trouble = func(op string) trouble {
				if op == "get s2" && w.keys[s2] != nil {
					if read++; read > 0 {
						w.keys[s2][0] = other
					}
				}
				return fine
			}
		},
		"a signer that goes back by itself": func(w *world, d *wish) {
			w.settle(*d)
			w.pass(20 * day)
			d.Asked = true
			mx1, switched := w.hosts["mx1"], false
			w.trouble = func(op string) trouble {
				switched = switched || op == "activate mx1"
				if now := mx1.inUse(d.Name); switched && op == "ask mx1" && now.ref.Selector == "s2" {
					mx1.unseen(now)
					mx1.astray(mx1.begin(mx1.uses[0].ref, 0))
				}
				return fine
			}
		},
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1"), wanted("mx1")
			spoil(w, &d)
			res := w.engine().Settle(context.Background(), d, engine.Patience{Most: 12 * time.Hour}, nil)
			faulttest.Shown(t, res.Err)
		})
	}
}
