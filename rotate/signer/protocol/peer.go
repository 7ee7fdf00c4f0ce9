package protocol

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Peer is a program or a service that speaks the protocol.
type Peer struct {
	Signer  string // its name in the configuration
	Called  string // in messages: "the command"
	Output  string // where it answers: "standard output"
	Silent  string // says that it answered nothing: "the command wrote nothing on standard output"
	SendKey bool   // the private keys are given to it
	Batch   int    // how many domains one request may hold; 0 for any number
	Unknown string // the key id with which it says that it does not know the key that signs; "" where it can't say so
	// Send hands a request over, as JSON, and returns the answer as it came. Its errors are faults.
	Send func(ctx context.Context, what string, r Request, document []byte) ([]byte, error)
	// Misbehaved makes a fault of an answer that is not as it should be.
	Misbehaved func(what string, err error) error
}

// Active asks what the domains are signed with. Domains that the peer names without being asked are ignored. A key
// id that it leaves out is "".
func (p *Peer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	var all []Entry
	for _, d := range domains {
		all = append(all, Entry{Domain: d})
	}
	what, active := "ask signer "+p.Signer+" what it signs with", map[string]dkim.Ref{}
	for _, r := range p.requests(Active, all) {
		a, err := p.ask(ctx, what, r)
		if err != nil {
			return nil, err
		}
		secret := a.secret(r)
		for _, e := range r.Domains {
			signs, ok := a.Active[e.Domain]
			if !ok {
				continue
			}
			if err := a.check(e.Domain, p.Unknown, secret); err != nil {
				return nil, p.Misbehaved(what, fmt.Errorf("its answer for %s: %w", e.Domain, err))
			}
			active[e.Domain] = dkim.Ref{Name: dkim.Name{Domain: e.Domain, Selector: signs.Selector}, KeyID: signs.KeyID}
		}
	}
	return active, nil
}

// Switch is the keys of one Activate, and what became of them.
type Switch struct {
	Asked  map[string]dkim.SigningKey // by domain
	Failed map[string]error           // by domain
	Given  int                        // how many domains there were
}

// Activate gives the keys to the peer and judges its answer for each. An error means that none is confirmed.
func (p *Peer) Activate(ctx context.Context, keys []dkim.SigningKey) (Switch, error) {
	s := p.sort(keys)
	var all []Entry
	for _, k := range s.Asked {
		all = append(all, p.entry(k))
	}
	requests := p.requests(Activate, all)
	for _, r := range requests {
		err := p.activate(ctx, r, s)
		if err != nil && len(requests) == 1 {
			return s, err
		}
		for _, e := range r.Domains {
			if err != nil {
				s.Failed[e.Domain] = err
			}
		}
	}
	return s, nil
}

// sort tells the keys that the peer can be given from the others.
func (p *Peer) sort(keys []dkim.SigningKey) Switch {
	s := Switch{Asked: map[string]dkim.SigningKey{}, Failed: map[string]error{}}
	for _, k := range keys {
		switch twin, twice := s.Asked[k.Domain]; {
		case k.Name.Check() != nil:
			s.Failed[k.Domain] = fault.Lasting(p.what(k.Name), k.Name.Check(),
				"correct the domain or selector in the configuration")
		case k.Key == nil && (p.SendKey || k.Ref().KeyID == ""):
			s.Failed[k.Domain] = fault.Lasting(p.what(k.Name), errors.New("there is no private key"), "report this as a defect")
		case twice && twin.Ref() != k.Ref():
			s.Failed[k.Domain] = fault.Lasting(p.what(k.Name), errors.New("two keys are given for one domain"),
				"report this as a defect")
		default:
			s.Asked[k.Domain] = k
		}
	}
	s.Given = len(s.Asked)
	for d := range s.Failed {
		if _, ok := s.Asked[d]; !ok {
			s.Given++
		}
		delete(s.Asked, d)
	}
	return s
}

func (p *Peer) entry(k dkim.SigningKey) Entry {
	e := Entry{Domain: k.Domain, Selector: k.Selector, KeyID: k.Ref().KeyID, Record: k.Record}
	if k.Key != nil {
		e.Record = dkim.NewRecord(k.Key.Public(), "").String()
	} else if r, err := dkim.ParseRecord(k.Record); err == nil {
		e.Record = dkim.NewRecord(r.Key, "").String() // also here without the note of the policy
	}
	if p.SendKey {
		e.PrivateKey = string(k.Key.PEM())
	}
	return e
}

// activate sends one request and checks the answer for every domain in it.
func (p *Peer) activate(ctx context.Context, r Request, s Switch) error {
	a, err := p.ask(ctx, "activate keys of "+r.subject()+" on signer "+p.Signer, r)
	if err != nil {
		return err
	}
	secret := a.secret(r)
	for _, e := range r.Domains {
		k := s.Asked[e.Domain]
		signs, ok := a.Active[e.Domain]
		unfit := a.check(e.Domain, p.Unknown, secret)
		switch {
		case !ok:
			err = errors.New(p.Called + " does not confirm this domain")
		case unfit != nil:
			err = fmt.Errorf("%s's answer: %w", p.Called, unfit)
		case signs.Selector != k.Selector:
			err = fmt.Errorf("%s says that %q signs", p.Called, signs.Selector)
		case signs.KeyID != "" && signs.KeyID != k.Ref().KeyID:
			err = fmt.Errorf("%s says that another key signs, %s instead of %s", p.Called, signs.KeyID, k.Ref().KeyID)
		default:
			continue
		}
		s.Failed[e.Domain] = p.Misbehaved(p.what(k.Name), err)
	}
	return nil
}

// Forget says that these keys are not in use any more.
func (p *Peer) Forget(ctx context.Context, keys []dkim.Ref) error {
	var all []Entry
	for _, k := range keys {
		if err := k.Check(); err != nil {
			return fault.Lasting("forget a key on signer "+p.Signer, err, "report this as a defect")
		}
		all = append(all, Entry{Domain: k.Domain, Selector: k.Selector, KeyID: k.KeyID})
	}
	for _, r := range p.requests(Forget, all) {
		if _, err := p.send(ctx, "forget keys of "+r.subject()+" on signer "+p.Signer, r); err != nil {
			return err
		}
	}
	return nil
}

// requests spreads entries over as many requests as it takes, ordered by domain.
func (p *Peer) requests(action string, all []Entry) (out []Request) {
	slices.SortStableFunc(all, func(a, b Entry) int { return strings.Compare(a.Domain, b.Domain) })
	most := p.Batch
	if most <= 0 {
		most = max(1, len(all))
	}
	for some := range slices.Chunk(all, most) {
		out = append(out, Request{FormatVersion: formatVersion, Action: action, Signer: p.Signer, Domains: some})
	}
	return out
}

func (p *Peer) what(n dkim.Name) string { return fmt.Sprintf("activate %s on signer %s", n, p.Signer) }

// ask sends a request and reads the answer.
func (p *Peer) ask(ctx context.Context, what string, r Request) (answer, error) {
	out, err := p.send(ctx, what, r)
	if err != nil {
		return answer{}, err
	}
	var a answer
	if len(bytes.TrimSpace(out)) == 0 {
		return answer{}, p.Misbehaved(what, errors.New(p.Silent))
	}
	// The answer itself is not quoted: it may hold the request, and so a key.
	if err := json.Unmarshal(out, &a); err != nil {
		return answer{}, p.Misbehaved(what,
			fmt.Errorf("%s's %s (%d octets) is not the JSON document that is wanted", p.Called, p.Output, len(out)))
	}
	if a.Active == nil {
		return answer{}, p.Misbehaved(what, errors.New(p.Called+`'s answer has no "active"`))
	}
	return a, nil
}

func (p *Peer) send(ctx context.Context, what string, r Request) ([]byte, error) {
	document, err := json.Marshal(r)
	if err != nil {
		return nil, fault.Lasting(what, err, "report this as a defect")
	}
	return p.Send(ctx, what, r, document)
}
