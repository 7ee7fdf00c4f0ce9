// Package batch carries out many calls as one.
package batch

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// Calls gathers the calls that arrive while one is under way and carries them
// out as one when it is over. So a thousand domains that reach a signer together
// cost a few table writes and reloads, and a single one does not wait.
//
// A call that is given up before its turn is not carried out at all, and one whose
// turn has come is waited for: a call that has returned has no effect afterwards (I8).
// Work under way is cut short when one of its calls may have lost its lease; the
// others fail with it, and are tried again.
type Calls[In, Out any] struct {
	What  string // for faults: "ask signer mx1"
	Reads bool   // the calls have no effect, so one that is given up is not waited for
	Do    func(ctx context.Context, in []In) ([]Out, []error)

	mu      sync.Mutex
	waiting []*call[In, Out]
	running bool
	batch   []*call[In, Out] // under way
	cut     context.CancelFunc
}

type call[In, Out any] struct {
	in   In
	may  func() error // may be nil: asked when its turn has come
	fast bool         // others wait for it
	out  Out
	err  error
	done chan struct{}
}

// Call calls in its turn.
func (c *Calls[In, Out]) Call(ctx context.Context, in In) (Out, error) {
	return c.CallIf(ctx, in, nil)
}

// CallIf calls in its turn, unless may returns an error then.
func (c *Calls[In, Out]) CallIf(ctx context.Context, in In, may func() error) (Out, error) {
	var none Out
	if err := ctx.Err(); err != nil {
		return none, c.givenUp(err)
	}
	w := &call[In, Out]{in: in, may: may, fast: ports.InAHurry(ctx), done: make(chan struct{})}
	if c.enter(w) {
		// The work is shared: one caller's cancellation must not cut it short for the others.
		go c.run(context.WithoutCancel(ctx))
	}
	select {
	case <-w.done:
	case <-ctx.Done():
		if c.withdraw(w) || c.Reads {
			return none, c.givenUp(ctx.Err())
		}
		if fault.CodeOf(context.Cause(ctx)) == codes.LeaseLost {
			c.cutShort(w)
		}
		<-w.done
	}
	return w.out, w.err
}

// givenUp says which call was given up; that a person interrupted it says the error itself.
func (c *Calls[In, Out]) givenUp(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fault.Temporary(c.What, err, "see what holds the signer up; it is tried again by itself")
}

// enter lines a call up, and reports whether somebody has to start the work.
func (c *Calls[In, Out]) enter(w *call[In, Out]) (start bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, w)
	start, c.running = !c.running, true
	return start
}

// withdraw takes a call back, and reports false when its turn has come already.
func (c *Calls[In, Out]) withdraw(w *call[In, Out]) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.waiting, w)
	if i >= 0 {
		c.waiting = slices.Delete(c.waiting, i, i+1)
	}
	return i >= 0
}

// cutShort ends the work that a call is part of.
func (c *Calls[In, Out]) cutShort(w *call[In, Out]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.Contains(c.batch, w) {
		c.cut()
	}
}

// run carries out what is lined up until nothing is.
func (c *Calls[In, Out]) run(ctx context.Context) {
	for {
		ctx, cut := context.WithCancel(ctx)
		batch := c.next(cut)
		if len(batch) > 0 {
			c.carryOut(ctx, batch)
		}
		cut()
		if len(batch) == 0 {
			return
		}
	}
}

// carryOut does the work of those in the batch that may still have it done.
func (c *Calls[In, Out]) carryOut(ctx context.Context, batch []*call[In, Out]) {
	var in []In
	var may []*call[In, Out]
	for _, w := range batch {
		if w.err = c.permitted(w); w.err != nil {
			close(w.done)
			continue
		}
		in, may = append(in, w.in), append(may, w)
	}
	if len(may) == 0 {
		return
	}
	hurried := slices.ContainsFunc(may, func(w *call[In, Out]) bool { return w.fast }) // ctx may be an earlier batch's
	out, errs := c.together(ports.WithHurry(ctx, hurried), in)
	for i, w := range may {
		w.out, w.err = out[i], errs[i]
		close(w.done)
	}
}

// permitted asks whether a call may be carried out still.
func (c *Calls[In, Out]) permitted(w *call[In, Out]) (err error) {
	defer fault.Caught(c.What, &err)
	if w.may != nil {
		err = w.may()
	}
	return err
}

func (c *Calls[In, Out]) next(cut context.CancelFunc) []*call[In, Out] {
	c.mu.Lock()
	defer c.mu.Unlock()
	batch := c.waiting
	c.waiting, c.running = nil, len(batch) > 0
	c.batch, c.cut = batch, cut
	return batch
}

// together does the work of a batch within workTime. When it panics, all of the batch fails.
func (c *Calls[In, Out]) together(ctx context.Context, in []In) (out []Out, errs []error) {
	ctx, cancel := context.WithTimeout(ctx, ports.WorkTime)
	defer cancel()
	var err error
	defer func() {
		if err != nil {
			out, errs = make([]Out, len(in)), slices.Repeat([]error{err}, len(in))
		}
	}()
	defer fault.Caught(c.What, &err)
	return c.Do(ctx, in)
}

// ErrorFor picks a domain's own error out of a batch that failed in part.
func ErrorFor(err error, domain string) error {
	var part interface{ FailedDomains() map[string]error }
	if errors.As(err, &part) {
		return part.FailedDomains()[domain]
	}
	return err
}

// Each returns calls that do carries out for many domains at once. of names the domain of a call; an error of do may
// say of single domains that they failed.
func Each[In any](what string, of func(In) string, do func(context.Context, []In) error) *Calls[In, struct{}] {
	return &Calls[In, struct{}]{What: what, Do: func(ctx context.Context, in []In) ([]struct{}, []error) {
		err := do(ctx, in)
		errs := make([]error, len(in))
		for i := range in {
			errs[i] = ErrorFor(err, of(in[i]))
		}
		return make([]struct{}, len(in)), errs
	}}
}
