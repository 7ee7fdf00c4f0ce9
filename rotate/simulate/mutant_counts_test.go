package simulate

import (
	"context"
	"time"

	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// private is a count that one life of a process keeps for itself.
type private struct {
	ledger
	own *memory
}

func (q private) Switches(_ context.Context, now time.Time) ([]ports.Begun, error) {
	return q.own.switches(now), nil
}

func (q private) TakeSwitch(_ context.Context, domain string, now time.Time, most int) (time.Time, error) {
	return q.own.takeSwitch(domain, now, most), nil
}

func ownCounts() *tamper {
	return &tamper{parts: func(p *process, parts *engine.Parts) { parts.Quota = private{ledger{p}, &memory{}} }}
}

// memoryless forgets what it counted when a process starts.
func memoryless() *tamper {
	return &tamper{parts: func(p *process, _ *engine.Parts) {
		if p != p.person {
			p.store.begun = nil
		}
	}}
}

// grudging never again lets a domain begin to switch that was held back.
type grudging struct {
	ledger
	refused map[string]bool
}

func grudge() *tamper {
	refused := map[string]bool{}
	return &tamper{parts: func(p *process, parts *engine.Parts) { parts.Quota = grudging{ledger{p}, refused} }}
}

func (q grudging) Switches(ctx context.Context, now time.Time) ([]ports.Begun, error) {
	begun, err := q.ledger.Switches(ctx, now)
	for domain := range q.refused {
		begun = append(begun, ports.Begun{Domain: domain + ", again", At: now})
	}
	if most := q.sc.counts.PerHour.Most; most > 0 && len(begun) >= most {
		for _, d := range q.domains {
			q.refused[d.name] = true
		}
	}
	return begun, err
}

func (q grudging) TakeSwitch(ctx context.Context, domain string, now time.Time, most int) (time.Time, error) {
	if most > 0 && len(q.refused) > 0 {
		return now.Add(time.Hour), q.gone()
	}
	return q.ledger.TakeSwitch(ctx, domain, now, most)
}

// endless is a run that never notes what began in it.
func endless() *tamper {
	return &tamper{parts: func(_ *process, parts *engine.Parts) { parts.Counts.PerRun = ports.Bound{} }}
}
