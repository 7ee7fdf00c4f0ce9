package stalwart

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// The stages of a signature. Stalwart signs with the active ones.
const (
	pending  = "pending"
	active   = "active"
	retiring = "retiring"
	retired  = "retired"
)

// domain is one of Stalwart's, with its signatures.
type domain struct {
	ID             string
	Name           string
	DkimManagement struct {
		Type string `json:"@type"`
	}
	signatures []signature
}

// signature is a DkimSignature object.
type signature struct {
	ID        string
	Type      string `json:"@type"`
	DomainID  string `json:"domainId"`
	Selector  string
	Stage     string
	PublicKey string
}

// ref returns the key of the signature.
func (g signature) ref(domain string) dkim.Ref {
	kind := "rsa"
	if strings.Contains(g.Type, "Ed25519") {
		kind = "ed25519"
	}
	ref := dkim.Ref{Name: dkim.Name{Domain: domain, Selector: strings.ToLower(g.Selector)}}
	if r, err := dkim.ParseRecord("v=DKIM1; k=" + kind + "; p=" + g.PublicKey); err == nil && !r.Key.IsZero() {
		ref.KeyID = r.Key.ID()
	}
	return ref
}

// classic reports whether it makes signatures of RFC 6376, and not of DKIM2.
func (g signature) classic() bool { return strings.HasPrefix(g.Type, "Dkim1") }

// signing returns the signatures of RFC 6376 that are active, in a steady order.
func (d *domain) signing() (out []signature) {
	for _, g := range d.signatures {
		if g.classic() && g.Stage == active {
			out = append(out, g)
		}
	}
	slices.SortFunc(out, func(a, b signature) int {
		return cmp.Or(cmp.Compare(a.Selector, b.Selector), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// of returns the signature with a key, the active one where there are two.
func (d *domain) of(ref dkim.Ref) (found signature) {
	for _, g := range d.signatures {
		if g.classic() && g.ref(ref.Domain) == ref && (found.ID == "" || g.Stage == active) {
			found = g
		}
	}
	return found
}

// one returns the key that the domain is signed with, the zero Ref for none.
func (d *domain) one(signer, name string) (dkim.Ref, error) {
	all := d.signing()
	if len(all) == 0 {
		return dkim.Ref{}, nil
	}
	what := fmt.Sprintf("find out what signer %s signs %s with", signer, name)
	if len(all) > 1 {
		return dkim.Ref{}, &fault.Error{Kind: fault.Permanent, Code: codes.ForeignSignerLine, What: what,
			Err: fmt.Errorf("%d signatures are active in Stalwart, with the selectors %s and %s", len(all),
				all[0].Selector, all[1].Selector),
			Hint: "set the stage of all but one to retiring in Stalwart; the next switch does so, too"}
	}
	for _, g := range d.signatures {
		if !g.classic() && g.Stage == active && strings.EqualFold(g.Selector, all[0].Selector) {
			return dkim.Ref{}, &fault.Error{Kind: fault.Permanent, Code: codes.ForeignSignerLine, What: what,
				Err: fmt.Errorf("a signature of DKIM2 is active with the same selector %s, "+
					"and dkimbot would not switch it", g.Selector),
				Hint: "give the DKIM2 signature a selector of its own in Stalwart"}
		}
	}
	return all[0].ref(name), nil
}

// look reads domains with their signatures. Those that Stalwart does not have are left out.
func (s *Signer) look(ctx context.Context, account string, names []string) (map[string]*domain, error) {
	out := map[string]*domain{}
	what := "read signatures of " + some(names) + " on signer " + s.cfg.Name
	for few := range slices.Chunk(names, mostCalls/2) {
		if err := s.lookSome(ctx, account, what, few, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func some(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	return fmt.Sprintf("%d domains", len(names))
}

// list is the answer of a get, and which objects the query before it named.
type list[T any] struct {
	List     []T
	NotFound []string
	named    page
}

// page is the answer of a query. Limit is there where the server names no more than so many.
type page struct {
	IDs   []string
	Limit int
}

// whole wants all objects: one that is not shown could sign (I1).
func (l list[T]) whole(what string) error {
	said := ""
	switch named, shown := len(l.named.IDs), len(l.List)+len(l.NotFound); {
	case l.named.Limit > 0 && named >= l.named.Limit:
		said = fmt.Sprintf("only the first %d objects", named)
	case shown < named:
		said = fmt.Sprintf("%d of %d objects", shown, named)
	default:
		return nil
	}
	return fault.Temporary(what, fmt.Errorf("the Stalwart server shows %s", said),
		"destroy retired signatures of the domain that nobody needs, or let Stalwart answer with more objects at a time")
}

// lookSome reads as many domains as one request can ask for.
func (s *Signer) lookSome(ctx context.Context, account, what string, names []string, out map[string]*domain) error {
	found := make([]list[*domain], len(names))
	var calls []method
	for i, name := range names {
		calls = append(calls, both("x:Domain", map[string]any{"name": name}, len(calls), &found[i].named, &found[i])...)
	}
	if err := s.jmap(ctx, request{account: account, what: what}, calls...); err != nil {
		return err
	}
	var domains []*domain
	for i, name := range names {
		if err := found[i].whole(what); err != nil {
			return err
		}
		for _, d := range found[i].List {
			if strings.EqualFold(d.Name, name) {
				out[name] = d
				domains = append(domains, d)
			}
		}
	}
	signatures := make([]list[signature], len(domains))
	calls = nil
	for i, d := range domains {
		calls = append(calls, both("x:DkimSignature", map[string]any{"domainId": d.ID}, len(calls), &signatures[i].named,
			&signatures[i])...)
	}
	if len(calls) == 0 {
		return nil
	}
	if err := s.jmap(ctx, request{account: account, what: what}, calls...); err != nil {
		return err
	}
	for i, d := range domains {
		if err := signatures[i].whole(what); err != nil {
			return err
		}
		for _, g := range signatures[i].List {
			if g.DomainID == d.ID {
				d.signatures = append(d.signatures, g)
			}
		}
	}
	return nil
}

// both queries objects and gets them, at this place of a request.
func both(kind string, filter map[string]any, at int, named, into any) []method {
	return []method{
		{name: kind + "/query", args: map[string]any{"filter": filter}, into: named},
		{name: kind + "/get", args: map[string]any{"#ids": map[string]any{"resultOf": fmt.Sprint("c", at),
			"name": kind + "/query", "path": "/ids"}}, into: into},
	}
}

// unfit returns why a domain of Stalwart's, nil for none, can't be switched.
func (s *Signer) unfit(what string, d *domain) error {
	switch {
	case d == nil:
		return fault.Lasting(what, errors.New("the Stalwart server has no such domain"),
			"add the domain in Stalwart, or let another signer sign it; an alias of a domain is signed as that domain")
	case d.DkimManagement.Type != "Manual":
		return fault.Lasting(what, fmt.Errorf("the domain's dkimManagement is %s: Stalwart would rotate keys by itself",
			cmp.Or(d.DkimManagement.Type, "not known")), "set dkimManagement of the domain to Manual in Stalwart")
	}
	return nil
}
