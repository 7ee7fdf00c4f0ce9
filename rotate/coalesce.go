package rotate

import (
	"context"
	"errors"
	"sync"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// coalescer gathers the calls that arrive while one is under way and carries them
// out as one when it is over. So a thousand domains that reach a signer together
// cost a few table writes and reloads, and a single one waits for nobody.
type coalescer[In, Out any] struct {
	do func(ctx context.Context, in []In) ([]Out, []error)

	mu      sync.Mutex
	waiting []*call[In, Out]
	running bool
}

type call[In, Out any] struct {
	in   In
	out  Out
	err  error
	done chan struct{}
}

func (c *coalescer[In, Out]) call(ctx context.Context, in In) (Out, error) {
	w := &call[In, Out]{in: in, done: make(chan struct{})}
	c.mu.Lock()
	c.waiting = append(c.waiting, w)
	start := !c.running
	c.running = true
	c.mu.Unlock()
	if start {
		// The work is shared: one caller's cancellation must not cut it short for the others.
		go c.run(context.WithoutCancel(ctx))
	}
	select {
	case <-w.done:
		return w.out, w.err
	case <-ctx.Done():
		var none Out
		return none, ctx.Err()
	}
}

func (c *coalescer[In, Out]) run(ctx context.Context) {
	for {
		c.mu.Lock()
		batch := c.waiting
		c.waiting = nil
		c.running = len(batch) > 0
		c.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		in := make([]In, len(batch))
		for i, w := range batch {
			in[i] = w.in
		}
		out, errs := c.do(ctx, in)
		for i, w := range batch {
			w.out, w.err = out[i], errs[i]
			close(w.done)
		}
	}
}

// batchedSigner lets each domain call a signer for itself while the signer is
// called for many at once.
type batchedSigner struct {
	Signer
	activations *coalescer[dkim.SigningKey, struct{}]
	questions   *coalescer[string, dkim.Ref]
}

func batch(s Signer) *batchedSigner {
	b := &batchedSigner{Signer: s}
	b.activations = &coalescer[dkim.SigningKey, struct{}]{do: func(ctx context.Context, keys []dkim.SigningKey) ([]struct{}, []error) {
		err := s.Activate(ctx, keys)
		errs := make([]error, len(keys))
		for i, k := range keys {
			errs[i] = errorFor(err, k.Domain)
		}
		return make([]struct{}, len(keys)), errs
	}}
	b.questions = &coalescer[string, dkim.Ref]{do: func(ctx context.Context, domains []string) ([]dkim.Ref, []error) {
		active, err := s.Active(ctx, domains)
		refs, errs := make([]dkim.Ref, len(domains)), make([]error, len(domains))
		for i, d := range domains {
			refs[i], errs[i] = active[d], err
		}
		return refs, errs
	}}
	return b
}

// errorFor picks a domain's own error out of a batch that failed in part.
func errorFor(err error, domain string) error {
	var part interface{ FailedDomains() map[string]error }
	if errors.As(err, &part) {
		return part.FailedDomains()[domain]
	}
	return err
}
