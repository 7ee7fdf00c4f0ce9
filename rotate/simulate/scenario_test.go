package simulate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// Random returns a scenario in which everything follows from the seed: how many
// domains, signers, servers and schedulers there are, their policies, and what fails.
func Random(seed uint64, length time.Duration, faults Level) Scenario {
	r := stream(seed, forScenario)
	s := Scenario{Seed: seed, Start: time.Date(2026, 1, 1, 0, 0, 0, 0,
		time.UTC).Add(between(r, 0, 365*day).Truncate(time.Second)), For: length, Faults: faults,
		Lags: map[string]time.Duration{}, Queue: 7 * day, Keep: 7 * day, Strict: true,
		processes: 1 + r.IntN(2), evictable: r.IntN(2) == 0, servers: 1 + r.IntN(4), mailEvery: 8 * time.Hour}
	s.inspect = []time.Duration{0, 0, 0, 2 * day, 7 * day}[r.IntN(5)]
	s.negative = []time.Duration{time.Minute, 5 * time.Minute, time.Hour, 3 * time.Hour, day}[r.IntN(5)]
	signers := 1 + r.IntN(3)
	for i := range signers {
		s.Lags[fmt.Sprintf("mx%d", i+1)] = []time.Duration{0, time.Minute, 15 * time.Minute, 2 * time.Hour}[r.IntN(4)]
	}
	for i := range 1 + r.IntN(2) {
		d := rotate.Domain{Name: fmt.Sprintf("d%d.example", i+1), Provider: "office", VerifyTimeout: 2 * time.Minute,
			Policy: rotate.Policy{
				Schedule: []string{"0 4 1 * *", "0 4 1 * *", "0 4 1,15 * *", "30 2 * * 1", "15 3 * * *",
					"0 4 1 1,4,7,10 *"}[r.IntN(6)],
				Timezone: []string{"UTC", "UTC", "UTC", "UTC", "Europe/Berlin", "America/New_York"}[r.IntN(6)],
				Drain:    7 * day, Settle: 7 * day, Key: "ed25519", Selectors: [2]string{"s1", "s2"},
				TTL:   []time.Duration{time.Minute, 5 * time.Minute, time.Hour, time.Hour, 6 * time.Hour, day}[r.IntN(6)],
				Splay: []time.Duration{0, 6 * time.Hour}[r.IntN(2)],
			}}
		for j := range 1 + r.IntN(signers) {
			d.Signers = append(d.Signers, fmt.Sprintf("mx%d", j+1))
		}
		s.Domains = append(s.Domains, d)
	}
	for i := range s.Domains {
		s.Domains[i].Limits = someLimits(r)
	}
	if more := stream(seed, forCounts); more.IntN(5) == 0 {
		s.crowd(more)
	}
	s.inUse = map[string]use{}
	before := stream(seed, forAdoption)
	for _, d := range s.Domains {
		if u, signs := someUse(before, d); signs {
			s.inUse[d.Name] = u
		}
	}
	return s
}

// someLimits returns when the changes of a domain may begin: at any time, more often than not.
func someLimits(r *rand.Rand) (l rotate.Limits) {
	period := func(schedule string, length time.Duration) []calendar.Period {
		return []calendar.Period{{Schedule: schedule, Duration: length, Timezone: "UTC"}}
	}
	switch r.IntN(6) {
	case 0:
		l.Windows = period("0 1 * * *", 5*time.Hour)
	case 1:
		l.Windows = period("0 6 * * 6", 12*time.Hour)
	}
	switch r.IntN(6) {
	case 0:
		l.Freezes = period("0 0 20 12 *", 14*day)
	case 1:
		l.Freezes = period("0 0 1,2,3 * *", day)
	}
	return l
}

// crowd gives a world more domains that are due at the same times, and counts that hold
// most of them back.
func (s *Scenario) crowd(r *rand.Rand) {
	first := s.Domains[0]
	for i := range 1 + r.IntN(3) {
		d := first
		d.Name = string(rune('p'+i)) + ".example"
		d.Signers = slices.Clone(first.Signers)[:1+r.IntN(len(first.Signers))]
		s.Domains = append(s.Domains, d)
	}
	for i := range s.Domains {
		p := &s.Domains[i].Policy
		p.Schedule, p.Timezone, p.Splay = first.Policy.Schedule, first.Policy.Timezone, 0
	}
	switch r.IntN(4) {
	case 0:
		s.counts.PerRun = someBound(r, len(s.Domains), "limits.switches_per_run")
	case 1:
		s.counts.PerRun = someBound(r, len(s.Domains), "limits.switches_per_run")
		s.counts.PerHour = someBound(r, len(s.Domains), "limits.switches_per_hour")
	default:
		s.counts.PerHour = someBound(r, len(s.Domains), "limits.switches_per_hour")
	}
	s.timers = r.IntN(2) == 0
}

// someBound returns a number of domains, or a share of all of them, one at least.
func someBound(r *rand.Rand, domains int, key string) ports.Bound {
	most := 1 + r.IntN(2)
	if percent := 1 + r.IntN(60); r.IntN(2) == 0 {
		most = max(1, (domains*percent+99)/100)
	}
	return ports.Bound{Most: most, Key: key}
}

// someUse returns how a domain signs before dkimbot comes: not at all, more often than not.
func someUse(r *rand.Rand, d rotate.Domain) (u use, signs bool) {
	own := d.Policy.Selectors
	u.ttl = []time.Duration{5 * time.Minute, time.Hour, day, 2 * day}[r.IntN(4)]
	u.order = spread(r, time.Hour, 20*day)
	u.partly = r.IntN(4) == 0
	switch r.IntN(10) {
	case 0, 1, 2:
		u.adopted, u.testing = true, r.IntN(4) == 0
		u.selectors = []string{own[r.IntN(2)]}
		if r.IntN(3) == 0 {
			u.spare = d.Policy.Other(u.selectors[0])
		}
	case 3, 4:
		u.selectors = []string{"mail", "old"}[:1+r.IntN(2)]
	default:
		return u, false
	}
	return u, true
}
