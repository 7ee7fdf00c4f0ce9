package serve

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
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
			f, at, err := c.get(2 * readTime)
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
		if _, _, err := c.get(2 * readTime); !errors.Is(err, fails) {
			t.Errorf("%v; want the reading's error", err)
		}
	})
}

// The states are read before anybody asks. Whoever asks for a page meanwhile is told so, and waits no longer than others.
func TestReadAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		read := 0
		m := NewMetrics("1")
		m.Register(func(context.Context) (Fleet, error) {
			time.Sleep(20 * time.Second)
			read++
			return Fleet{States: make([]rotate.State, 7)}, nil
		}, func() int { return 0 }, quiet)
		h := newPage(m.fleet, Detail{}, quiet).handler()
		ask := func(code int, words string, within time.Duration) {
			t.Helper()
			began, w := time.Now(), httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			if took := time.Since(began); w.Code != code || !strings.Contains(w.Body.String(), words) || took > within {
				t.Errorf("%d after %v, want %d:\n%s", w.Code, took, code, w.Body)
			}
		}
		began := time.Now()
		m.ReadAhead(t.Context(), 15*time.Second) // what rotates keys waits no longer
		if took := time.Since(began); took != 15*time.Second {
			t.Errorf("waited %v", took)
		}
		ask(http.StatusServiceUnavailable, `<meta http-equiv="refresh"`, patience)
		time.Sleep(3 * time.Second)
		ask(http.StatusOK, "7 domains", 0)
		time.Sleep(time.Hour) // nobody asks; what was read is too old
		ask(http.StatusServiceUnavailable, "being read", patience)
		time.Sleep(20 * time.Second)
		ask(http.StatusOK, "7 domains", 0)
		m.ReadAhead(t.Context(), time.Minute) // there is nothing to wait for
		if read != 2 {
			t.Errorf("the states were read %d times", read)
		}
		stopped, stop := context.WithCancel(t.Context())
		stop()
		time.Sleep(time.Hour)
		began = time.Now()
		m.ReadAhead(stopped, time.Minute)
		if took := time.Since(began); took != 0 {
			t.Errorf("waited %v for what is over", took)
		}
		time.Sleep(time.Minute)
	})
}
