package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/machine"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/probe"
)

// newProbers returns a prober for each signer that has a probe. look asks DNS for the keys.
func newProbers(cfg *config.Config, look ports.Looker) map[string]*probe.Prober {
	out, listeners := map[string]*probe.Prober{}, &probe.Listeners{}
	for name, c := range cfg.Probes {
		out[name] = &probe.Prober{Signer: name, Config: c, Listeners: listeners, Records: records(look),
			Now: machine.Clock{}.Now}
	}
	return out
}

// records returns what the authoritative servers show where they agree, else why not.
func records(look ports.Looker) probe.Records {
	return func(ctx context.Context, name dkim.Name) ([]string, error) {
		sight, err := look.Look(ctx, name)
		switch {
		case err != nil:
			return nil, err
		case sight.Unchecked:
			return nil, probe.ErrUnchecked
		case !sight.Complete:
			return nil, unanswered(name, sight)
		}
		return sight.Values, nil
	}
}

// proved has each signer that has a probe prove its switches by mail.
func proved(signers map[string]ports.Signer, by map[string]*probe.Prober) {
	for name, s := range signers {
		if p := by[name]; p != nil {
			signers[name] = probe.Proved(s, p)
		}
	}
}

// Probed is what a message of a domain through a signer showed.
type Probed struct {
	probe.Report
	Signer   string
	Expected string        // the selector; "" when dkimbot does not know which one signs
	Drain    time.Duration // of the domain's policy
	Err      error         // why it is not as it should be
}

// Probe sends a message of each domain through its signers that have a probe, or only through those named. It fails
// when ctx is done, or when there is no signer to send through; what a message shows stands in Probed.Err.
func Probe(ctx context.Context, cfg *config.Config, domains []rotate.Domain, only []string) ([]Probed, error) {
	look, err := newLooker(cfg)
	if err != nil {
		return nil, err
	}
	a := &App{Config: cfg}
	defer a.Close()
	if err := a.Listen(true); err != nil {
		return nil, err
	}
	states, _, err := States(ctx, cfg, domains)
	if err != nil {
		states = make([]rotate.State, len(domains)) // there is none yet, or it is reported by other commands
	}
	probers, groups := newProbers(cfg, look), bySigner(domains, states, only)
	for _, name := range only {
		if groups[name] == nil {
			return nil, &fault.Error{Kind: fault.Permanent, Code: codes.UnknownSigner, What: "probe signer " + name,
				Err: errors.New("none of the domains has a signer of that name"), Hint: "name a signer of the domain"}
		}
	}
	var out []Probed
	for name, group := range groups {
		p := probers[name]
		if p == nil {
			if len(only) > 0 {
				return nil, noProbe(name)
			}
			continue
		}
		out = append(out, probedThrough(ctx, p, group)...)
	}
	if len(out) == 0 && ctx.Err() == nil {
		return nil, noProbe("")
	}
	slices.SortFunc(out, func(a, b Probed) int {
		if d := strings.Compare(a.Domain, b.Domain); d != 0 {
			return d
		}
		return strings.Compare(a.Signer, b.Signer)
	})
	return out, ctx.Err()
}

// noProbe is the error for a signer through which no mail can be sent.
func noProbe(signer string) error {
	what, why := "probe signer "+signer, "it has no probe in the configuration"
	if signer == "" {
		what, why = "send a probe", "no signer of the domains has a probe in the configuration"
	}
	return fault.Lasting(what, errors.New(why), "write probe: { submit: smtp://HOST:587, receive: { listen: \":2525\" } } "+
		"at the signer; see dkimbot.yaml(5)")
}

// probing is a domain with what is known of it.
type probing struct {
	want rotate.Domain
	have rotate.State
}

func bySigner(domains []rotate.Domain, states []rotate.State, only []string) map[string][]probing {
	out := map[string][]probing{}
	for i, d := range domains {
		for _, name := range d.Signers {
			if len(only) == 0 || slices.Contains(only, name) {
				out[name] = append(out[name], probing{d, states[i]})
			}
		}
	}
	return out
}

func probedThrough(ctx context.Context, p *probe.Prober, group []probing) (out []Probed) {
	var names []string
	keys := map[string]dkim.PublicKey{}
	for _, g := range group {
		names = append(names, g.want.Name)
		keys[g.want.Name] = g.key(p.Signer)
	}
	for i, r := range p.Send(ctx, names, keys) {
		g := group[i]
		expected, err := g.judged(p.Signer, func(selector string) error { return p.Judge(r, selector) })
		out = append(out, Probed{Report: r, Signer: p.Signer, Expected: expected, Drain: g.want.Policy.Drain, Err: err})
	}
	return out
}

// judged returns the selector that was to be seen, and what is wrong. While a switch is in progress a signer that
// signs with its target already does what it should, also before dkimbot has confirmed that.
func (g probing) judged(signer string, judge func(selector string) error) (expected string, err error) {
	expected = g.expected(signer)
	err = judge(expected)
	if to := g.have.Target; err != nil && to != "" && to != expected && judge(to) == nil {
		return to, nil
	}
	return expected, err
}

// expected is the selector that a signer should sign with: what it confirmed last, else the active one.
func (g probing) expected(signer string) string {
	if c, ok := g.have.Signers[signer]; ok && !c.Left {
		return c.Selector
	}
	return g.have.Active
}

// key is the one that the state has at the expected selector, for where DNS is not asked.
func (g probing) key(signer string) dkim.PublicKey {
	if k := g.have.Selector(g.expected(signer)).Key; k != nil {
		record, _ := dkim.ParseRecord(k.Record) // of what is no record, no key
		return record.Key
	}
	return dkim.PublicKey{}
}

// Warnings says what is allowed in a message, and yet probably not meant.
func (p Probed) Warnings() (out []string) {
	for _, s := range p.Signatures {
		left := s.Expires.Sub(p.Sent)
		if s.Own && !s.Expires.IsZero() && left > p.Drain+time.Minute {
			out = append(out, fmt.Sprintf("the signature with %s expires after %s (x=), which is longer than the drain of %s: "+
				"mail may still be verified after its key was replaced; use a longer drain, or let signatures expire earlier",
				s.Selector, calendar.Span(left.Round(time.Minute)), calendar.Span(p.Drain)))
		}
	}
	return out
}
