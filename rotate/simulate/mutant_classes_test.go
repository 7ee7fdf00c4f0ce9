package simulate

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// classMutants are mutants that only a class of faults, or an oracle beside the invariants, sees.
var classMutants = []struct {
	mutant
	with classes
	from uint64 // the first seed
}{
	{mutant{"a server that does not answer is taken to show what the others do", []string{"I2", "I5"}, 40, All,
		looker(func(p *process) ports.Looker { return presuming{p} })}, silent, 1},
	{mutant{"a signer whose mail is lost waits for servers that do not answer", []string{"I7"}, 40, All,
		looker(func(p *process) ports.Looker { return waiting{p} })}, silent | daemons | bounds, 745},

	{mutant{"a signer that does not answer is taken to be well", []string{"I7"}, 4, All, wellAlways}, hardDays | bounds, 6},

	{mutant{"signers stay where somebody else's record stands", []string{"I7"}, 10, All,
		looker(func(p *process) ports.Looker { return hesitant{p} })}, strangers | bounds, 1},

	{mutant{"what a wildcard shows is taken for a record", []string{"I7"}, 20, All,
		looker(func(p *process) ports.Looker { return takenIn{p} })}, wildcards | strangers | bounds, 1},
	{mutant{"what a wildcard showed is taken to be forgotten", []string{"I2"}, 20, All,
		looker(func(p *process) ports.Looker { return forgetting{p} })}, wildcards, 1},
	{mutant{"a wildcard's key is taken to be kept no longer than its TTL", []string{"I2"}, 20, All,
		looker(func(p *process) ports.Looker { return keyless{p} })}, wildcards, 1},

	{mutant{"time in which a process was stopped does not count", []string{"I8"}, 20, All,
		func() *tamper {
			return &tamper{parts: func(p *process, parts *engine.Parts) { parts.Clock = sleepless{p} }}
		}}, stops, 85},
	{mutant{"what came too late is not said", []string{"I8"}, 40, All,
		stores(func(l ledger) ports.Store { return discreet{l} })}, stops, 1},

	{mutant{"a purge takes signers to change at once", []string{"I2"}, 100, All,
		signers(func(s remote) ports.Signer { return abrupt{s} })}, changes | movers, 1},

	{mutant{"a name that leads nowhere is taken to show its record", []string{"I2"}, 20, All,
		looker(func(p *process) ports.Looker { return unmoved{p} })}, detours, 1},

	// They show only where two domains publish at one name within the time that DNS lags.
	{mutant{"it is not asked whose record stands at a name", []string{"I6"}, 3, All, nobodyAsks}, aliases, 621},
	{mutant{"a name is granted to whoever claims it", []string{"I6", "I4"}, 3, All, grantsAll}, aliases, 621},
}

// TestClassMutants: the oracles can fail there, too.
func TestClassMutants(t *testing.T) {
	for n, m := range classMutants {
		if raceEnabled && n%raceMutants != 0 {
			continue
		}
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			m.hunt(t, m.from, m.with)
		})
	}
}

// presuming takes servers that do not answer to show what the others do.
type presuming struct{ *process }

func (p presuming) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	sight, err := p.process.Look(ctx, name)
	sight.Complete, sight.Silent = sight.Complete || sight.Silent, false
	return sight, err
}

// well signs, as it says, with what its host really holds, also where the host does not answer.
type well struct{ remote }

func (s well) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	refs, err := s.remote.Active(ctx, domains)
	if err == nil {
		return refs, nil
	}
	refs = map[string]dkim.Ref{}
	for _, d := range domains {
		if ref, ok := s.host.active(d); ok {
			refs[d] = ref
		}
	}
	return refs, s.gone()
}

func wellAlways() *tamper {
	return signers(func(r remote) ports.Signer { return well{r} })()
}

// waiting does not tell a server that does not answer from one that shows something else.
type waiting struct{ *process }

func (p waiting) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	sight, err := p.process.Look(ctx, name)
	sight.Silent = false
	return sight, err
}

// hesitant takes somebody else's record for one that resolvers reject.
type hesitant struct{ *process }

func (p hesitant) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	sight, err := p.process.Look(ctx, name)
	if slices.ContainsFunc(sight.Values, func(v string) bool { return p.strangers[v] }) {
		sight.Complete, sight.Bogus = false, []string{"ns1: the signature has expired"}
	}
	return sight, err
}

// takenIn takes what a wildcard shows for a record.
type takenIn struct{ *process }

func (p takenIn) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	sight, err := p.process.Look(ctx, name)
	if len(sight.Values) == 0 {
		sight.Values, sight.Wildcard = sight.Wildcard, nil
	}
	return sight, err
}

// forgetting knows that nothing stands where a wildcard answers, and no more.
type forgetting struct{ *process }

func (p forgetting) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	sight, err := p.process.Look(ctx, name)
	if len(sight.Wildcard) > 0 {
		sight.Wildcard, sight.TTL = nil, 0
	}
	return sight, err
}

// keyless takes what a wildcard shows for no key.
type keyless struct{ *process }

func (p keyless) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	sight, err := p.process.Look(ctx, name)
	if len(sight.Wildcard) > 0 {
		sight.Wildcard = []string{"v=spf1 -all"}
	}
	return sight, err
}

// sleepless has a clock that stands still while the process is stopped.
type sleepless struct{ *process }

func (s sleepless) Elapsed() time.Duration { return s.process.Elapsed() - s.frozen }

// discreet has no domain looked at again.
type discreet struct{ ledger }

func (discreet) LookAgain(context.Context, string, time.Time, time.Time, ...rotate.Event) error {
	return nil
}

// unmoved takes a name that leads nowhere to show what dkimbot put there last.
type unmoved struct{ *process }

func (u unmoved) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	sight, err := u.process.Look(ctx, name)
	if err == nil || !sight.Complete {
		return sight, err
	}
	sight.Zone, sight.Owner, sight.Values = name.Domain, name.String(), []string{u.names[name].ours}
	return sight, nil
}

// nobodyAsks knows of no names but its own, and its provider can't compare.
func nobodyAsks() *tamper {
	return &tamper{parts: func(p *process, parts *engine.Parts) {
		parts.Look, parts.Names = p, nil
		blindly(p, parts)
	}}
}

// blindly writes without a comparison at the provider, as some can't do otherwise.
func blindly(p *process, parts *engine.Parts) {
	for name := range parts.Publishers {
		parts.Publishers[name] = heavyHanded{publisher{p}}
	}
}

// generous grants each name to whoever claims it, and finds nobody at any.
type generous struct{ ledger }

func (generous) Holder(context.Context, string) (dkim.Name, error) { return dkim.Name{}, nil }

func (generous) Claim(_ context.Context, _ string, name dkim.Name) (dkim.Name, error) {
	return name, nil
}

func grantsAll() *tamper {
	return &tamper{parts: func(p *process, parts *engine.Parts) {
		parts.Look, parts.Names = ports.Unshared(p, generous{ledger{p}}), generous{ledger{p}}
		blindly(p, parts)
	}}
}
