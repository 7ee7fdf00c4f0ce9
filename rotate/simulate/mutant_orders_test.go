package simulate

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// lateRollback takes a domain that has just got its fresh key to be draining still,
// when it is told to go back.
func lateRollback() *tamper {
	return &tamper{parts: func(p *process, parts *engine.Parts) { parts.Store = belated{ledger{p}} }}
}

type belated struct{ ledger }

func (s belated) Load(ctx context.Context, domain string) (rotate.State, error) {
	st, err := s.ledger.Load(ctx, domain)
	if _, back := s.ordering.(rotate.Rollback); back && err == nil && st.Phase == rotate.Ready {
		st.Phase, st.Draining = rotate.Draining, s.domain(domain).want.Policy.Other(st.Active)
	}
	return st, err
}

// takingDown is a state database that does something wrong when it takes down that
// the key which signs is compromised.
type takingDown struct {
	ledger
	write func(*rotate.State)                                      // changes what is written
	then  func(s takingDown, name dkim.Name, key rotate.Key) error // follows at once
}

func takesDown(write func(*rotate.State), then func(takingDown, dkim.Name, rotate.Key) error) func() *tamper {
	return stores(func(l ledger) ports.Store { return takingDown{l, write, then} })
}

func (s takingDown) Save(ctx context.Context, l ports.Lease, now time.Time, st rotate.State,
	events ...rotate.Event) (int64, error) {
	report := slices.ContainsFunc(events, func(e rotate.Event) bool {
		return e.Kind == rotate.ReportCompromised && e.Outcome == "done" && e.Selector == st.Active
	})
	if !report || st.Selectors[st.Active].Key.RevokeNow {
		return s.ledger.Save(ctx, l, now, st, events...)
	}
	st = rotate.CopyState(st)
	key := *st.Selectors[st.Active].Key
	s.write(&st)
	revision, err := s.ledger.Save(ctx, l, now, st, events...)
	if err == nil {
		err = s.then(s, nameOf(st.Domain, st.Active), key)
	}
	return revision, err
}

func asItIs(*rotate.State) {}

func trustAgain(st *rotate.State) {
	for _, sel := range st.Selectors {
		for _, k := range []*rotate.Key{sel.Key, sel.Next} {
			if k != nil {
				k.Leaked = time.Time{}
			}
		}
	}
}

func giveUp(_ takingDown, name dkim.Name, _ rotate.Key) error {
	return unable("save the state of "+name.Domain, "the answer was lost")
}

func revokeAtOnce(s takingDown, name dkim.Name, key rotate.Key) error {
	n := s.names[name]
	if r, err := dkim.ParseRecord(key.Record); err == nil {
		s.process.checkRevoke(n, n.last(), s.turn)
		s.setTXT(name.String(), r.Revoke().String(), time.Hour)
	}
	return nil
}

func destroyAtOnce(s takingDown, name dkim.Name, key rotate.Key) error {
	s.checkDestroy(name, key.ID)
	s.vault.destroy(name, key.Version)
	return nil
}

// heedless does not know of domains that were released.
type heedless struct {
	ledger
	released map[string]*rotate.ReleaseState
}

func handedBack() *tamper {
	released := map[string]*rotate.ReleaseState{}
	return &tamper{parts: func(p *process, parts *engine.Parts) { parts.Store = heedless{ledger{p}, released} }}
}

func (s heedless) Load(ctx context.Context, domain string) (rotate.State, error) {
	st, err := s.ledger.Load(ctx, domain)
	if _, back := s.ordering.(rotate.Reclaim); err == nil && !back {
		s.released[domain], st.Released = st.Released, nil
	}
	return st, err
}

func (s heedless) Save(ctx context.Context, l ports.Lease, now time.Time, st rotate.State,
	events ...rotate.Event) (int64, error) {
	if st.Released == nil && s.ordering == nil {
		st.Released = s.released[st.Domain]
	}
	return s.ledger.Save(ctx, l, now, st, events...)
}

// windowed opens a maintenance window once a week, and brings no signer back outside of it.
func windowed() *tamper {
	const schedule, length = "0 6 * * 6", 6 * time.Hour
	return &tamper{
		domain: func(_ *world, d *rotate.Domain) {
			d.Limits = rotate.Limits{Windows: []calendar.Period{{Schedule: schedule, Duration: length, Timezone: "UTC"}}}
		},
		parts: func(p *process, parts *engine.Parts) {
			for name, h := range p.hosts {
				parts.Signers[name] = obedient{remote{p, h, name}}
			}
		},
	}
}

type obedient struct{ remote }

func (s obedient) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	open := s.now.Weekday() == time.Saturday && s.now.Hour() >= 6 && s.now.Hour() < 12
	for _, k := range keys {
		if !open && (s.host.strays[k.Domain] || s.host.excused[k.Domain]) {
			return unable("activate "+k.Name.String(), "no maintenance window is open")
		}
	}
	return s.remote.Activate(ctx, keys)
}

// twice applies a plan that was used as if it were a new one, made now.
func twice() *tamper {
	return &tamper{plan: func(p *process, d *domain, a *approved, given *approval.Approval) {
		if !a.used {
			return
		}
		if now, err := p.survey(p.wants(d), rotate.Request{}); err == nil {
			given.PlanID, given.Conditions = fmt.Sprintf("plan %d again", a.number), approval.ConditionsOf(now)
		}
	}}
}
