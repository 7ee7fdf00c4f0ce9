package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Active returns what the agent has reported to be in effect. It is an error when that may not be so any more.
func (s *Signer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	if len(domains) == 0 {
		return map[string]dkim.Ref{}, nil
	}
	v, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	if err := v.silent(); err != nil {
		return nil, v.away("ask signer "+s.cfg.Name+" what it signs with", err)
	}
	active, failed := map[string]dkim.Ref{}, map[string]error{}
	for _, domain := range domains {
		ref, err := v.active(domain)
		switch {
		case err != nil:
			failed[domain] = err
		case ref.Selector != "":
			active[domain] = ref
		}
	}
	return active, signer.Partial(failed, len(domains))
}

// Overruled returns, by domain, which line of others on the host counts in the place of dkimbot's own, as the agent
// reported it last.
func (s *Signer) Overruled(ctx context.Context, domains []string) map[string]string {
	v, err := s.look(ctx)
	if err != nil || v.silent() != nil {
		return nil // Active says so
	}
	out := map[string]string{}
	for _, d := range domains {
		if line := v.report.Keys[d].Overruled; line != "" {
			out[d] = onHost(v.report.Host, line)
		}
	}
	return out
}

// Unkept returns, by domain, what on the host keeps it from being signed as it is after the signer's next start, as the
// agent reported it last.
func (s *Signer) Unkept(ctx context.Context, signs map[string]dkim.Ref) map[string]string {
	v, err := s.look(ctx)
	if err != nil || v.silent() != nil {
		return nil // Active says so
	}
	out := map[string]string{}
	for d := range signs {
		if what := v.report.Keys[d].Unkept; what != "" {
			out[d] = onHost(v.report.Host, what)
		}
	}
	return out
}

func onHost(host, line string) string { return "on host " + host + ", " + line }

// LongestPoll is how rarely an agent may report at most: it bounds for how long an agent's own words keep it from
// being silent, and keeps one that is well from looking like one that is away.
const LongestPoll = 5 * time.Minute

// silent says why nothing can hear of what the agent has in effect; nil when it has reported lately.
func (v *view) silent() error {
	least := max(v.cfg.SilentAfter, 3*min(v.report.Poll, LongestPoll))
	switch {
	case v.reported.Text == nil:
		return fmt.Errorf("agent %s has never reported", v.cfg.Agent)
	case v.reported.Age() > least:
		return fmt.Errorf("agent %s on host %s has not reported since %s", v.cfg.Agent, v.report.Host,
			stamp(v.reported.Written))
	case len(v.report.Others) > 0:
		names := []string{Other{Instance: v.report.Instance, Host: v.report.Host}.name()}
		for _, o := range v.report.Others {
			names = append(names, o.name())
		}
		return fmt.Errorf("%w as agent %s, or its host was just built again or restored: %s", errSeveral, v.cfg.Agent,
			strings.Join(names, ", "))
	case v.report.Trouble != "" && v.garbled == nil: // else it is asked again, and until then it signs as it says
		return fmt.Errorf("agent %s on host %s can't take up what is wanted: %s", v.cfg.Agent, v.report.Host,
			v.report.Trouble)
	}
	return nil
}

// away is the fault for an agent that is waited for.
func (v *view) away(what string, err error) error {
	hint := "see on its host whether it runs and reaches Vault (systemctl status dkimbot-agent); it carries out the " +
		"wish by itself; if the host is gone for good, take the signer out of the configuration"
	if errors.Is(err, errSeveral) {
		hint = "if one is a copy of another, stop its agent, remove its state_dir and give it a name of its own; " +
			"a few polls later this message says whether more is needed"
	}
	return &fault.Error{Kind: fault.Transient, Code: codes.AgentSilent, What: what, Err: err, Hint: hint}
}

var errSeveral = errors.New("several hosts report")

// behind says that the agent has not taken up what a domain is to be signed with.
func (v *view) behind(domain string) error {
	w := v.wish.Keys[domain]
	return v.away(fmt.Sprintf("find out what signer %s signs %s with", v.cfg.Name, domain),
		fmt.Errorf("agent %s was asked for %s at %s and has not reported since; its last report is of %s", v.cfg.Agent,
			w.Selector, stamp(w.Since), stamp(v.reported.Written)))
}

// active returns what a domain is signed with by the report, which is recent.
func (v *view) active(domain string) (dkim.Ref, error) {
	w, asked := v.wish.Keys[domain]
	ref, err := v.here(domain)
	if err != nil || !asked {
		return ref, err
	}
	if o := v.missing(domain); o != nil {
		return dkim.Ref{}, v.waits(domain, *o)
	}
	// The host that is gone may have signed with the key before until now. What the one that is left signs with is not
	// hidden by that: Hosts returns it. And an older wish, from a Vault that was restored, does not know which key was
	// before.
	if v.hasGone(domain) && ref == w.Ref(domain) && v.report.Sequence <= v.wish.Sequence {
		ref = w.was(domain)
	}
	return ref, nil
}

// signs returns what the report says that a domain is signed with as it was made.
func (r Report) signs(domain string) dkim.Ref {
	s := r.Keys[domain]
	return dkim.Ref{Name: dkim.Name{Domain: domain, Selector: s.Selector}, KeyID: s.KeyID}
}

// here returns what the host that reports signs a domain with.
func (v *view) here(domain string) (dkim.Ref, error) {
	w, asked := v.wish.Keys[domain]
	seen, known := v.report.Keys[domain]
	ref := v.report.signs(domain)
	switch {
	case asked && w.Sequence > v.report.Sequence:
		return dkim.Ref{}, v.behind(domain)
	case asked && !known, seen.Unread:
		return dkim.Ref{}, v.failed(domain, seen)
	case seen.Drifted != nil && seen.Drifted.Sequence >= w.Sequence && (!asked || ref == w.Ref(domain)):
		ref.Selector, ref.KeyID = seen.Drifted.Selector, seen.Drifted.KeyID
	}
	if ref.Selector == "" {
		return dkim.Ref{}, nil
	}
	return ref, nil
}

// failed is what went wrong for a domain on the agent's host.
func (v *view) failed(domain string, seen Seen) error {
	f := &fault.Error{Kind: fault.Transient,
		What: fmt.Sprintf("agent %s on host %s: %s", v.cfg.Agent, v.report.Host, domain),
		Err:  errors.New("its report does not say what signs"), Hint: "look at the agent's log on its host"}
	if seen.Error != "" {
		f.Err, f.Hint = errors.New(seen.Error), seen.Hint
	}
	if seen.Lasting {
		f.Kind = fault.Permanent
	}
	return f
}

func stamp(t time.Time) string { return t.UTC().Format("Mon 2006-01-02 15:04:05") + " UTC" }
