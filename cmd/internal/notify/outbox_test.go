package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/report"

	"github.com/cenkalti/backoff/v5"
)

// receiver is where an outbox of a test delivers to.
type receiver struct {
	mu     sync.Mutex
	answer func(n int) error // to the n-th attempt, from 1
	at     []time.Duration   // of the attempts, since the start
	got    []int             // documents of each delivery
	lost   int
}

func (r *receiver) lose() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost++
}

// locked calls f while nothing is delivered.
func (r *receiver) locked(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *receiver) outbox(log *slog.Logger) *outbox {
	start := time.Now()
	return &outbox{name: "test", log: log, timeout: time.Minute, most: 1, patient: patience,
		lost: func(Document) { r.lose() },
		begin: func(batch []Document) func(context.Context) error {
			return func(ctx context.Context) error {
				r.mu.Lock()
				defer r.mu.Unlock()
				r.at = append(r.at, time.Since(start).Round(time.Second))
				err := r.answer(len(r.at))
				if err == nil {
					r.got = append(r.got, len(batch))
				}
				return err
			}
		}}
}

// sleep lets time pass, and all do what they have to do then.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

var errDown = errors.New("it is down")

// TestRetries: what fails is tried again after longer and longer waits, for a day.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, said := newLog()
		r := &receiver{answer: func(n int) error {
			if n < 5 {
				return errDown
			}
			return nil
		}}
		o := r.outbox(log).start(1, 10)
		o.put(noticeOf("", Failed, ""))
		sleep(time.Hour)
		if len(r.got) != 1 || len(r.at) != 5 || r.at[0] != 0 || r.at[4] < 20*time.Second || r.at[4] > 40*time.Second {
			t.Errorf("attempts at %v, delivered %v", r.at, r.got)
		}
		if n := strings.Count(said.String(), "trying again"); n != 1 {
			t.Errorf("logged %d times that it tries again", n)
		}
		r.locked(func() { r.answer = func(int) error { return errDown } })
		o.put(noticeOf("", Failed, "example.com"))
		sleep(25 * time.Hour)
		if n := len(r.at) - 5; n < 200 || n > 400 || r.lost != 1 ||
			!strings.Contains(said.String(),
				`could not be delivered" to=test event=failed domain=example.com error="it is down"`) {
			t.Errorf("%d attempts in a day, %d lost:\n%s", n, r.lost, said)
		}
		o.close(time.Second)
	})
}

// TestNoRetry: what can't help is not tried again, and does not hold up what follows.
func TestNoRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, said := newLog()
		r := &receiver{answer: func(n int) error {
			if n == 1 {
				return backoff.Permanent(errors.New("404"))
			}
			return nil
		}}
		o := r.outbox(log).start(1, 10)
		o.put(Document{})
		o.put(Document{})
		synctest.Wait()
		if len(r.at) != 2 || len(r.got) != 1 || r.lost != 1 || strings.Contains(said.String(), "trying again") {
			t.Errorf("attempts at %v, %d lost:\n%s", r.at, r.lost, said)
		}
		o.close(time.Second)
	})
}

// TestRetryAfter: a receiver that says when to come again is heeded.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, _ := newLog()
		r := &receiver{answer: func(n int) error {
			if n == 1 {
				return fmt.Errorf("429: %w", backoff.RetryAfter(100))
			}
			return nil
		}}
		o := r.outbox(log).start(1, 10)
		o.put(Document{})
		sleep(time.Hour)
		if len(r.at) != 2 || r.at[1] != 100*time.Second {
			t.Errorf("attempts at %v", r.at)
		}
		o.close(time.Second)
	})
}

// TestEndIsBounded: at the end what waits is tried at once and for the time that
// there is, and what could not be delivered is logged.
func TestEndIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, said := newLog()
		r := &receiver{answer: func(int) error { return errDown }}
		o := r.outbox(log).start(1, 10)
		for i := range 3 {
			o.put(noticeOf("", Failed, fmt.Sprintf("d%d.example", i)))
		}
		sleep(time.Hour) // waiting for minutes by now
		before, start := len(r.at), time.Now()
		o.close(10 * time.Second)
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("the end took %v", took)
		}
		if n := len(r.at) - before; n < 5 {
			t.Errorf("%d attempts at the end", n)
		}
		for i := range 3 {
			if !strings.Contains(said.String(), fmt.Sprintf("domain=d%d.example error=", i)) {
				t.Errorf("nothing is said of d%d.example:\n%s", i, said)
			}
		}
		if r.lost != 3 {
			t.Errorf("%d lost, want 3", r.lost)
		}
	})
}

// TestEndDelivers: a receiver that comes back in the last seconds is reported.
func TestEndDelivers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, _ := newLog()
		var down atomic.Bool
		down.Store(true)
		r := &receiver{answer: func(int) error {
			if down.Load() {
				return errDown
			}
			return nil
		}}
		o := r.outbox(log).start(1, 10)
		o.put(Document{})
		sleep(time.Hour)
		time.AfterFunc(5*time.Second, func() { down.Store(false) })
		o.close(10 * time.Second)
		if len(r.got) != 1 || r.lost != 0 {
			t.Errorf("delivered %v, %d lost", r.got, r.lost)
		}
	})
}

// TestNobodyWaits: whoever puts something into a full outbox does not wait; what
// has no room is counted and logged.
func TestNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, said := newLog()
		r := &receiver{answer: func(int) error { return errDown }}
		o := r.outbox(log).start(1, 10)
		start := time.Now()
		for range 100 {
			o.put(Document{})
		}
		synctest.Wait()
		if time.Since(start) != 0 || o.dropped < 89 || r.lost != o.dropped {
			t.Errorf("took %v; %d dropped, %d lost", time.Since(start), o.dropped, r.lost)
		}
		o.close(time.Second)
		if !strings.Contains(said.String(), "notices were dropped") {
			t.Errorf("the log says\n%s", said)
		}
	})
}

// TestGather: what comes at about the same time is delivered at once, and the end
// of the process does not wait for more.
func TestGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, _ := newLog()
		r := &receiver{answer: func(int) error { return nil }}
		o := r.outbox(log)
		o.gather, o.most = 30*time.Second, 5
		o.start(1, 100)
		for range 7 {
			o.put(Document{})
		}
		sleep(29 * time.Second)
		r.locked(func() {
			if len(r.got) != 0 {
				t.Errorf("delivered %v too early", r.got)
			}
		})
		sleep(time.Minute)
		start := time.Now()
		o.put(Document{})
		o.close(10 * time.Second)
		if fmt.Sprint(r.got) != "[5 2 1]" || time.Since(start) != 0 {
			t.Errorf("delivered %v; the end took %v", r.got, time.Since(start))
		}
	})
}

// noticeOf returns a document with an id, an event and a domain.
func noticeOf(id, event, domain string) Document {
	return Document{NoticeDocument: report.NoticeDocument{ID: id, Event: event, Domain: domain}}
}
