package serve

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
)

// Whoever asks while the states of very many domains are read again is answered with the ones from before.
func TestSlowReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		takes, n := time.Second, 0
		var fails error
		c := newFleetCache(func(context.Context) (Fleet, error) {
			time.Sleep(takes)
			n++
			return Fleet{States: make([]rotate.State, n)}, fails
		}, slog.New(slog.DiscardHandler))
		ask := func(domains int, within time.Duration) {
			t.Helper()
			began := time.Now()
			f, at, err := c.get()
			if len(f.States) != domains || time.Since(began) > within || err != nil {
				t.Errorf("%d domains, as they stood %v before, after %v, %v; want %d", len(f.States),
					began.Sub(at), time.Since(began), err, domains)
			}
		}
		takes = 40 * time.Second
		ask(1, takes) // there is nothing to answer with yet
		time.Sleep(10 * time.Minute)
		ask(1, 2*time.Second)
		ask(1, 2*time.Second) // and it is read once
		time.Sleep(takes)
		ask(2, 0)
		time.Sleep(time.Hour)
		ask(3, takes) // the ones from before are too old
		time.Sleep(7 * time.Minute)
		fails = errors.New("the disk is gone")
		ask(3, 2*time.Second)
		time.Sleep(takes)
		if _, _, err := c.get(); !errors.Is(err, fails) {
			t.Errorf("%v; want the reading's error", err)
		}
	})
}
