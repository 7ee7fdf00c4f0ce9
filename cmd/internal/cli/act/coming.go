package act

import (
	"context"
	"slices"
	"sync"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/engine"
)

// settling settles domains side by side: those whose time has come at once, and those of coming when theirs comes.
type settling struct {
	console.Session
	request  rotate.Request
	patience engine.Patience
	each     func(engine.Result)

	mu sync.Mutex // of each and the progress: there is one call at a time
}

// later begins to settle domains whose time comes, and returns what waits until the last result was given.
func (s *settling) later(ctx context.Context, coming []waiting) (wait func()) {
	var others sync.WaitGroup
	for _, w := range coming {
		others.Go(func() { s.inTime(ctx, w) })
	}
	return others.Wait
}

func (s *settling) inTime(ctx context.Context, w waiting) {
	s.waits(w.domain.Name, *w.state.Next)
	if err := s.Engine.Clock.Sleep(ctx, w.state.Next.At.Sub(s.Engine.Clock.Now())); err != nil {
		s.result(engine.Result{Domain: w.domain.Name, State: w.state,
			Plan: rotate.DomainPlan{Name: w.domain.Name, Phase: w.state.Phase, Next: w.state.Next}})
		return
	}
	s.result(s.Engine.Settle(ctx, engine.Task{Domain: w.domain, Request: s.request}, s.patience, s.waits))
}

func (s *settling) waits(domain string, next rotate.Next) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Progress.Waiting != nil {
		s.Progress.Waiting(domain, next)
	}
}

func (s *settling) result(r engine.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.each(r)
}

// waiting is a domain that waits for something which ends within the patience of a run.
type waiting struct {
	domain rotate.Domain
	state  rotate.State
}

// coming returns those of the domains of which something is waited for that a patient run stays for, beside those
// that are due. A rotation that is to begin is none: it comes by the schedule.
func coming(ctx context.Context, s console.Session, domains, due []rotate.Domain,
	patience engine.Patience) (out []waiting, err error) {
	if !patience.Retry {
		return nil, nil
	}
	soon, err := s.State.Due(ctx, s.Engine.Clock.Now().Add(patience.Most))
	if err != nil || len(soon) == 0 {
		return nil, err
	}
	states, err := s.State.Several(ctx, soon)
	if err != nil {
		return nil, err
	}
	for _, st := range states {
		named := func(d rotate.Domain) bool { return d.Name == st.Domain }
		i := slices.IndexFunc(domains, named)
		if i < 0 || slices.ContainsFunc(due, named) || st.Next == nil || st.Refused || st.Released != nil ||
			st.Next.Action == codes.ActionRotate || st.Next.Action == codes.ActionResume {
			continue
		}
		out = append(out, waiting{domains[i], st})
	}
	return out, nil
}
