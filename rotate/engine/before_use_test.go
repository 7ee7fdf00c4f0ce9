package engine_test

import (
	"context"
	"strings"
	"testing"
)

// TestNothingSignsUnseen: while one of two servers can't be asked, no signer is
// given a selector, neither a first one nor the other (I2).
func TestNothingSignsUnseen(t *testing.T) {
	for title, prepare := range map[string]func(*world, wish){
		"bootstrap": func(*world, wish) {},
		"rotation":  func(w *world, d wish) { w.settle(d) },
	} {
		t.Run(title, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			prepare(w, d)
			before := map[string]int{}
			for name, h := range w.hosts {
				before[name] = len(h.uses)
			}
			parts := w.engine().Parts
			parts.Look = halfSilent{parts.Look}
			d.Asked = true
			res := newEngine(parts).Advance(context.Background(), d)
			if res.Err == nil || !strings.Contains(res.Err.Error(), "ns2 does not answer") {
				t.Errorf("error: %v", res.Err)
			}
			for name, h := range w.hosts {
				if len(h.uses) != before[name] {
					t.Errorf("I2: %s was given a key that not every server shows", name)
				}
			}
			w.settle(d)
		})
	}
}
