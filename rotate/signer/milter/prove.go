package milter

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	gomilter "github.com/emersion/go-milter"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Verdict is what a probe message showed.
type Verdict int

// The verdicts.
const (
	Proved       Verdict = iota
	OtherKey             // signed, with another selector
	Unsigned             // let through without a signature of the domain
	TurnedAway           // mail of the domain is refused or deferred
	Unverifiable         // the wanted selector, but the signature does not verify
	Several              // more than one signature of the domain
	Unreachable          // the milter could not be asked
)

// Finding is a verdict with what was seen.
type Finding struct {
	Verdict
	Err error
}

// Want is the key that a domain's mail is to be signed with, alone.
type Want struct {
	dkim.Name
	Key dkim.PublicKey
	// Others reports whether signatures with a selector are a person's own, and may stand beside; nil: none may.
	Others func(selector string) bool
}

// Wants returns what these keys are to make true.
func Wants(keys []dkim.SigningKey) []Want {
	wants := make([]Want, len(keys))
	for i, k := range keys {
		wants[i] = Want{Name: k.Name, Key: k.Key.Public()}
	}
	return wants
}

// Prove asks about every domain and returns the findings that are not a proof. With patience, domains in doubt are
// asked about until nothing more was proved for that long; without, once.
func (s Asked) Prove(ctx context.Context, wants []Want, patience time.Duration) map[string]Finding {
	r := &round{Asked: s, patience: patience, doubts: map[string]Finding{}, progress: time.Now()}
	var wg sync.WaitGroup
	for i := range connections {
		var queue []Want
		for k := i; k < len(wants); k += connections {
			queue = append(queue, wants[k])
		}
		wg.Go(func() { r.work(ctx, queue) })
	}
	wg.Wait()
	return r.doubts
}

// round is one proof of a batch.
type round struct {
	Asked
	patience time.Duration
	mu       sync.Mutex
	doubts   map[string]Finding
	progress time.Time // when a domain was proved last
}

// work proves a queue of domains. A domain in doubt is asked about again
// later and on a new connection, because a connection keeps the configuration that
// was in force when it began.
func (r *round) work(ctx context.Context, queue []Want) {
	pause := 20 * time.Millisecond
	for len(queue) > 0 {
		left := r.connection(ctx, queue)
		if r.patience == 0 || ctx.Err() != nil || r.stalled() {
			return
		}
		if len(left) < len(queue) {
			pause = 20 * time.Millisecond
		}
		if queue = left; len(queue) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
			pause = min(2*pause, time.Second)
		}
	}
}

// connection asks through one connection until a domain is in doubt (patient)
// or all were asked about, and returns the domains that are left, that one last.
func (r *round) connection(ctx context.Context, queue []Want) []Want {
	c, err := r.Dial(ctx)
	if err != nil {
		for _, w := range queue {
			r.note(w, Finding{Unreachable, err})
		}
		return queue
	}
	defer c.Close()
	for i, w := range queue {
		f := check(c, w)
		r.note(w, f)
		switch {
		case f.Verdict == Unreachable && r.patience == 0:
			for _, k := range queue[i:] {
				r.note(k, f)
			}
			return nil
		case f.Verdict != Proved && r.patience > 0:
			return append(slices.Clone(queue[i+1:]), w)
		}
	}
	return nil
}

func (r *round) note(w Want, f Finding) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if f.Verdict == Proved {
		delete(r.doubts, w.Domain)
		r.progress = time.Now()
		return
	}
	r.doubts[w.Domain] = f
}

func (r *round) stalled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.progress) > r.patience
}

// check probes one domain and judges the answer.
func check(c Conversation, want Want) Finding {
	a, err := c.Ask(want.Domain)
	if err != nil {
		return Finding{Unreachable, err}
	}
	if refused := (actionError{}); errors.As(a.Refused, &refused) && refused.Code == gomilter.ActAccept {
		return Finding{Unsigned, refused}
	}
	if a.Refused != nil {
		return Finding{TurnedAway, a.Refused}
	}
	a = a.Own(want.Others)
	selectors := a.Selectors()
	switch {
	case len(selectors) == 0:
		return Finding{Unsigned, fmt.Errorf("it let the message through without a signature of %s", want.Domain)}
	case len(selectors) > 1:
		return Finding{Several, fmt.Errorf("it signs with the selectors %s", OneLine(strings.Join(selectors, " and ")))}
	case !strings.EqualFold(selectors[0], want.Selector):
		return Finding{OtherKey, fmt.Errorf("it signs with selector %s", selectors[0])}
	}
	if err := a.MadeWith(want.Key); err != nil && a.Unfit(want.Key) != "" {
		return Finding{Unverifiable, fmt.Errorf("its signature with selector %s names the algorithm %s, which does not fit "+
			"the key, so that it fails at every receiver", want.Selector, dkim.UnfitFor(a.Unfit(want.Key)))}
	} else if err != nil {
		return Finding{Unverifiable, fmt.Errorf("its signature with selector %s does not verify with the new key: %w",
			want.Selector, err)}
	}
	return Finding{Verdict: Proved}
}
