package notify

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// outbox delivers documents in the background, in batches, and tries again what
// fails. It never makes those who put something into it wait.
type outbox struct {
	name    string // for logs: "webhook"
	log     *slog.Logger
	timeout time.Duration // for one attempt
	gather  time.Duration // how long to wait for more to deliver at once; not at all when 0
	most    int           // documents in a batch
	tries   uint          // 0: as many as fit into patience
	patient time.Duration // how long a batch is tried again
	lost    func(Document)

	// begin returns what tries to deliver the batch once. It is called again after an
	// error, unless that is a *backoff.PermanentError.
	begin func(batch []Document) func(context.Context) error

	queue   chan Document
	waiting context.Context // done when it is time to hurry
	hurry   context.CancelFunc
	working context.Context // done when the time is over
	giveUp  context.CancelFunc
	workers sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	dropped int
}

// start starts the outbox with room for so many documents that wait.
func (o *outbox) start(workers, room int) *outbox {
	o.queue = make(chan Document, room)
	o.waiting, o.hurry = context.WithCancel(context.Background())
	o.working, o.giveUp = context.WithCancel(context.Background())
	for range workers {
		o.workers.Go(o.work)
	}
	return o
}

// put takes a document over, or drops it when too many wait.
func (o *outbox) put(d Document) {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	select {
	case o.queue <- d:
		return
	default:
	}
	if o.dropped++; o.dropped == 1 {
		o.log.Error("too many reports are waiting to be sent; some are dropped", "to", o.name)
	}
	o.forget(d)
}

// waits returns how many documents wait for their first try; nil has none.
func (o *outbox) waits() int {
	if o == nil {
		return 0
	}
	return len(o.queue)
}

func (o *outbox) forget(d Document) {
	if o.lost != nil {
		o.lost(d)
	}
}

// close delivers what waits, in the time given, and logs what could not be.
func (o *outbox) close(within time.Duration) {
	if o == nil {
		return
	}
	o.mu.Lock()
	o.closed = true
	close(o.queue)
	o.mu.Unlock()
	o.hurry()
	late := time.AfterFunc(within, o.giveUp)
	defer late.Stop()
	o.workers.Wait()
	o.giveUp()
	if o.dropped > 0 {
		o.log.Error("notices were dropped: too many waited", "to", o.name, "dropped", o.dropped)
	}
}

func (o *outbox) work() {
	for first := range o.queue {
		batch := o.batch(first)
		if err := o.deliver(batch); err != nil {
			o.failed(batch, err)
		}
	}
}

// batch returns first with what came meanwhile.
func (o *outbox) batch(first Document) []Document {
	if o.gather > 0 {
		timer := time.NewTimer(o.gather)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-o.waiting.Done():
		}
	}
	batch := []Document{first}
	for len(batch) < o.most {
		select {
		case d, ok := <-o.queue:
			if !ok {
				return batch
			}
			batch = append(batch, d)
		default:
			return batch
		}
	}
	return batch
}

var errOver = errors.New("the time at the end of the process was over")

// deliver tries until it succeeds, can't, or patience is over; and once it is time
// to hurry, at short intervals for as long as there is time.
func (o *outbox) deliver(batch []Document) error {
	attempt, last := o.begin(batch), errOver
	try := func() (struct{}, error) {
		if o.working.Err() != nil {
			return struct{}{}, backoff.Permanent(last)
		}
		ctx, cancel := context.WithTimeout(o.working, o.timeout)
		defer cancel()
		last = attempt(ctx)
		return struct{}{}, last
	}
	reported := false
	report := func(err error, wait time.Duration) {
		if !reported {
			o.log.Warn("a notice can't be delivered yet; trying again", "to", o.name, "error", err,
				"next_try", time.Now().Add(wait).UTC().Format(time.RFC3339))
		}
		reported = true
	}
	slow := &backoff.ExponentialBackOff{InitialInterval: 2 * time.Second, RandomizationFactor: 0.2, Multiplier: 2,
		MaxInterval: 5 * time.Minute}
	_, err := backoff.Retry(o.waiting, try, backoff.WithBackOff(slow), backoff.WithMaxTries(o.tries),
		backoff.WithMaxElapsedTime(o.patient), backoff.WithNotify(report))
	if err == nil || !errors.Is(err, context.Canceled) || o.waiting.Err() == nil {
		return err
	}
	quick := &backoff.ExponentialBackOff{InitialInterval: 500 * time.Millisecond, Multiplier: 1.5,
		MaxInterval: 2 * time.Second}
	if _, err = backoff.Retry(o.working, try, backoff.WithBackOff(quick), backoff.WithMaxTries(o.tries),
		backoff.WithMaxElapsedTime(0)); err != nil {
		return last
	}
	return nil
}

// failed logs what could not be delivered.
func (o *outbox) failed(batch []Document, err error) {
	const shown = 20
	for i, d := range batch {
		o.forget(d)
		if i < shown {
			o.log.Error("a notice could not be delivered", "to", o.name, "event", d.Event, "domain", d.Domain, "error", err)
		}
	}
	if more := len(batch) - shown; more > 0 {
		o.log.Error("more notices could not be delivered", "to", o.name, "notices", more, "error", err)
	}
}
