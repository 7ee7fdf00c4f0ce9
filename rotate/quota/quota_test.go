package quota_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/quota"
)

var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func switching(name string) rotate.DomainPlan { return rotate.DomainPlan{Name: name, Switches: true} }

// TestOnlySwitchesWait: counts hold back what begins a switch by schedule or because a person asked for it. What a
// domain needs besides is done at once, also where as many have begun as may, and it is counted.
func TestOnlySwitchesWait(t *testing.T) {
	ctx, turn := t.Context(), quota.New(nil, ports.Counts{PerRun: ports.Bound{Most: 1, Key: "limits.switches_per_run"}})
	held := (*quota.HeldBack)(nil)
	if err := turn.Begin(ctx, switching("a"), rotate.Ignore{}, now); err != nil {
		t.Fatal(err)
	}
	for title, err := range map[string]error{
		"may begin": turn.MayBegin(ctx, switching("b"), rotate.Ignore{}, now),
		"begins":    turn.Begin(ctx, switching("b"), rotate.Ignore{}, now),
	} {
		if !errors.As(err, &held) || held.Bound.Key != "limits.switches_per_run" {
			t.Errorf("a second switch %s: %v", title, err)
		}
	}
	flight := rotate.DomainPlan{Name: "b"}
	for title, err := range map[string]error{
		"a flight":               turn.MayBegin(ctx, flight, rotate.Ignore{}, now),
		"a flight that begins":   turn.Begin(ctx, flight, rotate.Ignore{}, now),
		"counts are overridden":  turn.MayBegin(ctx, switching("c"), rotate.Ignore{Counts: true}, now),
		"and the switch begins":  turn.Begin(ctx, switching("c"), rotate.Ignore{Counts: true}, now),
		"the same domain, again": turn.MayBegin(ctx, switching("b"), rotate.Ignore{}, now),
	} {
		if err != nil {
			t.Errorf("%s: %v", title, err)
		}
	}
	if err := turn.MayBegin(ctx, switching("d"), rotate.Ignore{}, now); !errors.As(err, &held) {
		t.Errorf("another switch: %v", err)
	}
}

// lost is a quota that can't be written.
type lost struct{}

var errLost = errors.New("the disk is full")

func (lost) Switches(context.Context, time.Time) ([]ports.Begun, error) { return nil, errLost }

func (lost) TakeSwitch(context.Context, string, time.Time, int) (time.Time, error) {
	return time.Time{}, errLost
}

// TestFlightNeedsNoCount: signers leave a compromised key also where it can't be counted; a switch by schedule waits.
func TestFlightNeedsNoCount(t *testing.T) {
	turn := quota.New(lost{}, ports.Counts{PerHour: ports.Bound{Most: 1, Key: "limits.switches_per_hour"}})
	if err := turn.Begin(t.Context(), rotate.DomainPlan{Name: "a"}, rotate.Ignore{}, now); err != nil {
		t.Errorf("a flight: %v", err)
	}
	if err := turn.Begin(t.Context(), switching("b"), rotate.Ignore{}, now); !errors.Is(err, errLost) {
		t.Errorf("a switch: %v", err)
	}
}
