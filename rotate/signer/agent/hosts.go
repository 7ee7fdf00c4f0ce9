package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Several hosts can have reported under one name: one that was cloned, built again, or restored from a backup. What
// each of them may sign with counts until it is known to be gone.

// gone reports whether an operator says that a host is gone.
func (v *view) gone(instance string) bool {
	_, said := v.wish.Gone[instance]
	return said || slices.Contains(strings.Fields(v.cfg.Gone), instance)
}

// missing returns a host that is not heard of any more, and may sign the domain with another key than is wanted.
func (v *view) missing(domain string) *Other {
	for _, o := range v.report.Lost {
		if !v.gone(o.Instance) && !v.wish.Settled(o, domain) {
			return &o
		}
	}
	return nil
}

// hasGone reports whether a host that is gone may have signed the domain with another key than is wanted until an
// operator said so: the key has to be asked for again, so that a drain begins again (I10).
func (v *view) hasGone(domain string) bool {
	return slices.ContainsFunc(v.report.Lost, func(o Other) bool {
		return v.gone(o.Instance) && !v.wish.Settled(o, domain)
	})
}

// waits is the fault for a host that is not heard of any more.
func (v *view) waits(domain string, o Other) error {
	w := v.wish.Keys[domain]
	may := "another key than " + w.Selector
	if w.Was != "" && w.Was != w.Selector {
		may = w.Was
	}
	return &fault.Error{Kind: fault.Transient, Code: codes.AgentLost,
		What: "find out what signs " + domain + " as agent " + v.cfg.Agent,
		Err: fmt.Errorf("host %s reported under this name until %s and is not heard of any more: it may still sign with %s",
			o.name(), stamp(o.At), may), Hint: v.wayOut(o)}
}

// waitedFor returns the hosts that are not heard of any more, and are not called gone.
func (v *view) waitedFor() []Other {
	return slices.DeleteFunc(slices.Clone(v.report.Lost), func(o Other) bool { return v.gone(o.Instance) })
}

// lost says which hosts are not heard of any more, before a switch has to wait for them; nil when there are none.
func (v *view) lost() error {
	hosts := v.waitedFor()
	if len(hosts) == 0 {
		return nil
	}
	var names []string
	for _, o := range hosts {
		names = append(names, o.name())
	}
	return &fault.Error{Kind: fault.Transient, Code: codes.AgentLost, What: "hear of all hosts of agent " + v.cfg.Agent,
		Err:  fmt.Errorf("no switch is complete before it is known what they sign with: %s", strings.Join(names, ", ")),
		Hint: v.wayOut(hosts[len(hosts)-1])}
}

// alive is the fault of a host that is called gone, and reports.
func (v *view) alive() error {
	o := Other{Instance: v.report.Instance, Host: v.report.Host}
	hint := fmt.Sprintf("take %q out of gone: at signer %s", o.Instance, v.cfg.Name)
	if hosts := v.waitedFor(); len(hosts) > 0 {
		hint += fmt.Sprintf("; if host %s was meant, write gone: %s", hosts[0].name(), hosts[0].Instance)
	}
	return fault.Lasting("stop waiting for host "+o.name()+" of agent "+v.cfg.Agent,
		errors.New("it is called gone, and reported at "+stamp(v.reported.Written)), hint)
}

// Hosts returns what the host that reports signs those of the domains with for which Active returns what was signed
// with until now: by one that is gone, or by itself before it was brought back. And it returns which host is not heard
// of any more: it may sign with what was wanted when it was heard last, also where somebody lets the one that reports
// sign with something else.
func (s *Signer) Hosts(ctx context.Context, domains []string) (here map[string]dkim.Ref, unheard error) {
	v, err := s.look(ctx)
	if err != nil {
		return nil, err
	}
	for _, domain := range domains {
		now, err := v.active(domain)
		if signs := v.report.signs(domain); err == nil && signs.Selector != "" && signs != now {
			if here == nil {
				here = map[string]dkim.Ref{}
			}
			here[domain] = signs
		}
	}
	return here, v.unheard()
}

// unheard says which host is not heard of any more; nil when there is none.
func (v *view) unheard() error {
	at := slices.IndexFunc(v.report.Lost, func(o Other) bool { return !v.gone(o.Instance) })
	if at < 0 {
		return nil
	}
	o := v.report.Lost[at]
	return &fault.Error{Kind: fault.Transient, Code: codes.AgentLost,
		What: "hear of all hosts of agent " + v.cfg.Agent, Err: fmt.Errorf("host %s reported under this name until %s and "+
			"is not heard of any more: it may still sign as it did", o.name(), stamp(o.At)), Hint: v.wayOut(o)}
}

func (o Other) name() string { return o.Host + " (" + o.Instance + ")" }

// wayOut says how to end the wait for a host.
func (v *view) wayOut(o Other) string {
	return "start its agent; where that host does not sign any more, or was built again or restored under this name, " +
		"write gone: " + strings.Join(append(v.dismissed(), o.Instance), " ") + " at signer " + v.cfg.Name +
		" in the coordinator's configuration"
}

// dismissed returns the hosts that the configuration says are gone, and that are still spoken of.
func (v *view) dismissed() []string {
	return slices.DeleteFunc(strings.Fields(v.cfg.Gone), func(i string) bool { return !v.spoken(i) })
}

// spoken reports whether the last report speaks of a host.
func (v *view) spoken(instance string) bool {
	is := func(o Other) bool { return o.Instance == instance }
	return slices.ContainsFunc(v.report.Lost, is) || slices.ContainsFunc(v.report.Others, is)
}

// dismiss puts into the wish which hosts are gone, and leaves out those that are no longer mentioned.
func (v *view) dismiss(sequence int64) {
	said := strings.Fields(v.cfg.Gone)
	maps.DeleteFunc(v.wish.Gone, func(i string, _ int64) bool { return !v.spoken(i) && !slices.Contains(said, i) })
	for _, instance := range said {
		if _, known := v.wish.Gone[instance]; known {
			continue
		}
		if v.wish.Gone == nil {
			v.wish.Gone = map[string]int64{}
		}
		v.wish.Gone[instance] = sequence
	}
}

// restore brings a wish that is older than one that was taken up, from a Vault that was restored, to what the agent
// reports: a host that is built again must not be given keys that were replaced. Nothing is asked for anew by that.
func (v *view) restore(sequence int64) {
	if v.report.Sequence <= v.wish.Sequence {
		return
	}
	for domain, w := range v.wish.Keys {
		seen := v.report.Keys[domain]
		ref := dkim.Ref{Name: dkim.Name{Domain: domain, Selector: seen.Selector}, KeyID: seen.KeyID}
		if w.Sequence == sequence {
			continue
		}
		w.Was = "" // it is not known any more
		if !seen.Unread && ref.Selector != "" && len(ref.KeyID) == 64 && ref != w.Ref(domain) {
			w.Selector, w.KeyID, w.Named = ref.Selector, ref.KeyID, sequence
		}
		v.wish.Keys[domain] = w
	}
}
