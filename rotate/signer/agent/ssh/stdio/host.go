package stdio

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/ssh"
	"github.com/dkimbot/dkimbot/rotate/signer/protocol"
)

// Host is a signer's host.
type Host struct {
	Agent   string   // its name, as the coordinator's configuration has it
	Name    string   // of the machine
	Version string   // of the program
	Forced  bool     // sshd runs it as a forced command
	Domains []string // nil: those that it is asked for
	Memory  Memory
	Signer  signer.Signer
	Now     func() time.Time
}

// sharer is a signer whose files others write, too.
type sharer interface {
	Overruled(ctx context.Context, domains []string) map[string]string
}

// keeper is a signer whose program signs with what it has read.
type keeper interface {
	Unkept(ctx context.Context, signs map[string]dkim.Ref) map[string]string
}

// forgetter is a signer that can remove copies of keys.
type forgetter interface {
	Forget(ctx context.Context, keys []dkim.Ref) error
}

// Serve reads a request, does what it asks for, and answers. What goes wrong is said in the answer; an error means that
// it could not be written.
func (h *Host) Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	a := ssh.Answer{FormatVersion: 1, Signer: h.Agent, Instance: "unknown", Host: h.Name, Version: h.Version,
		Forced: h.Forced, Lag: h.Signer.Lag()}
	r, err := read(ctx, in)
	if err == nil {
		err = h.serve(ctx, r, &a)
	}
	if err != nil {
		p := problem(err)
		a.Refused, a.Active, a.Failed = &p, nil, nil
	}
	a.At = h.Now().UTC()
	text, err := json.Marshal(a)
	if err == nil {
		_, err = out.Write(append(append([]byte{'\n'}, text...), '\n'))
	}
	if err != nil {
		return fault.Temporary("answer the coordinator", err, "see whether its connection was cut; it asks again by itself")
	}
	return nil
}

// read reads the request. Who sends none is not waited for without end.
func read(ctx context.Context, in io.Reader) (ssh.Request, error) {
	type result struct {
		ssh.Request
		error
	}
	got := make(chan result, 1)
	go func() {
		r, err := ssh.ReadRequest(in)
		got <- result{r, err}
	}()
	const what = "read the coordinator's request"
	select {
	case r := <-got:
		if errors.Is(r.error, ssh.ErrNewer) {
			return ssh.Request{}, fault.Lasting(what, r.error, "install the same version of dkimbot on both hosts")
		}
		if r.error != nil {
			return ssh.Request{}, fault.Temporary(what, r.error, "only the coordinator may ask; see who else has its login")
		}
		return r.Request, nil
	case <-ctx.Done():
		return ssh.Request{}, fault.Temporary(what, context.Cause(ctx), "it is sent again by itself; its connection was cut")
	}
}

// serve does what is asked, while no other request is served.
func (h *Host) serve(ctx context.Context, r ssh.Request, a *ssh.Answer) error {
	if r.Signer != h.Agent {
		return fault.Lasting("serve the coordinator's request", fmt.Errorf("this host is agent %s, and was asked as another one",
			h.Agent), "see whether two names lead to this host: in the coordinator's configuration, host and agent of the signer "+
			"must be those of one machine, and agent the name in its agent.yaml")
	}
	memo, done, err := h.Memory.Hold(ctx)
	if err != nil {
		return err
	}
	defer done()
	newest := memo.Ticket
	memo.Ticket = rand.Text()
	if err := h.Memory.Save(memo); err != nil {
		return err
	}
	a.Instance, a.Ticket, a.Failed, a.Active = memo.Instance, memo.Ticket, map[string]ssh.Problem{}, map[string]ssh.Signs{}
	if a.Stale = r.Action != protocol.Active && (r.Ticket == "" || r.Ticket != newest); a.Stale {
		return nil
	}
	served := slices.DeleteFunc(slices.Clone(r.Domains), func(e protocol.Entry) bool {
		not := h.Domains != nil && !slices.Contains(h.Domains, e.Domain)
		if not {
			a.Failed[e.Domain] = problem(notServed(e.Domain))
		}
		return not
	})
	switch r.Action {
	case protocol.Active:
		h.overruled(ctx, served, a)
	case protocol.Activate:
		h.keepOthers(r)
		h.activate(ctx, served, a)
	case protocol.Forget:
		h.forget(ctx, served, a)
		return nil
	default:
		return fault.Lasting("serve the coordinator's request", errors.New("its action is not known"),
			"install the same version of dkimbot on both hosts")
	}
	signs := h.see(ctx, served, a)
	if s, ok := h.Signer.(keeper); ok && r.Action == protocol.Active && len(signs) > 0 {
		a.Unkept = s.Unkept(ctx, signs)
		for d, what := range a.Unkept {
			a.Unkept[d] = short(what)
		}
	}
	return nil
}

// keepOthers says to the signer what its other domains are to stay signed with, so that a reload takes nothing from
// them (I1). A coordinator of an older version does not say it.
func (h *Host) keepOthers(r ssh.Request) {
	others := r.OtherKeys()
	maps.DeleteFunc(others, func(domain string, _ dkim.Ref) bool {
		return h.Domains != nil && !slices.Contains(h.Domains, domain)
	})
	if s, ok := h.Signer.(signer.Reloads); ok && len(others) > 0 {
		s.KnowOthers(func(context.Context) (map[string]dkim.Ref, error) { return others, nil })
	}
}

func notServed(domain string) error {
	return fault.Lasting("take up the key of "+domain, errors.New("the agent's configuration does not list this domain"),
		"list it in agent.yaml on the host, or take the signer out of the domain's signers")
}

// activate installs the keys.
func (h *Host) activate(ctx context.Context, all []protocol.Entry, a *ssh.Answer) {
	var keys []dkim.SigningKey
	for _, e := range all {
		key, err := dkim.ParsePrivateKey([]byte(e.PrivateKey))
		if err != nil || key.ID() != e.KeyID {
			// The error is not passed on: it could quote the key (I9).
			a.Failed[e.Domain] = problem(wrongKey(e.Domain))
			continue
		}
		keys = append(keys, dkim.SigningKey{Name: dkim.Name{Domain: e.Domain, Selector: e.Selector}, Key: key})
	}
	if len(keys) == 0 {
		return
	}
	err := h.Signer.Activate(ctx, keys)
	for _, k := range keys {
		if err := errorFor(err, k.Domain); err != nil {
			a.Failed[k.Domain] = problem(err)
		}
	}
}

func wrongKey(domain string) error {
	return fault.Lasting("take up the key of "+domain, errors.New("the private key is not the one that is named"),
		"report this as a defect")
}

// see says what is in effect, asked after everything was installed, and returns it.
func (h *Host) see(ctx context.Context, all []protocol.Entry, a *ssh.Answer) map[string]dkim.Ref {
	var domains []string
	for _, e := range all {
		domains = append(domains, e.Domain)
	}
	if len(domains) == 0 {
		return nil
	}
	found, err := h.Signer.Active(ctx, domains)
	for _, d := range domains {
		if err := errorFor(err, d); err != nil {
			if _, known := a.Failed[d]; !known {
				a.Failed[d] = problem(err)
			}
		} else if ref, signs := found[d]; signs {
			a.Active[d] = ssh.Signs{Selector: ref.Selector, KeyID: ref.KeyID}
		}
	}
	return found
}

// overruled says which lines of others count in the place of dkimbot's own.
func (h *Host) overruled(ctx context.Context, all []protocol.Entry, a *ssh.Answer) {
	s, ok := h.Signer.(sharer)
	if !ok || len(all) == 0 {
		return
	}
	var domains []string
	for _, e := range all {
		domains = append(domains, e.Domain)
	}
	a.Overruled = s.Overruled(ctx, domains)
	for d, line := range a.Overruled {
		a.Overruled[d] = short(line)
	}
}

// forget removes copies of keys that nothing uses; the signer knows which it uses.
func (h *Host) forget(ctx context.Context, all []protocol.Entry, a *ssh.Answer) {
	f, can := h.Signer.(forgetter)
	if !can || len(all) == 0 {
		return
	}
	var keys []dkim.Ref
	for _, e := range all {
		keys = append(keys, dkim.Ref{Name: dkim.Name{Domain: e.Domain, Selector: e.Selector}, KeyID: e.KeyID})
	}
	err := f.Forget(ctx, keys)
	for _, e := range all {
		if err := errorFor(err, e.Domain); err != nil {
			a.Failed[e.Domain] = problem(err)
		}
	}
}

// problem is an error as the answer has it. Faults hold no secret (I9).
func problem(err error) ssh.Problem {
	return ssh.Problem{Error: short(fault.Text(err)), Hint: short(fault.HintOf(err)),
		Lasting: fault.KindOf(err) != fault.Transient}
}

func short(text string) string {
	const most = 500
	if len(text) <= most {
		return text
	}
	return text[:most] + "..."
}

// errorFor picks a domain's own error out of a batch that failed in part.
func errorFor(err error, domain string) error {
	var part interface{ FailedDomains() map[string]error }
	if errors.As(err, &part) {
		return part.FailedDomains()[domain]
	}
	return err
}
