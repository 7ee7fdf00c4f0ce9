package stalwart

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/protocol"
)

// mostObjects is how many objects are changed by one set; Stalwart takes 500 unless it is configured otherwise.
const mostObjects = 200

// Activate makes each key the only one that its domain is signed with; see the package documentation for how. One
// domain's fault does not stop the others: the error is then a *signer.PartialError.
func (s *Signer) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	if len(keys) == 0 {
		return nil
	}
	b := signer.NewBatch(s.cfg.Name, keys, nil)
	if len(b.Keys) == 0 {
		return b.Err()
	}
	s.one.Lock()
	defer s.one.Unlock()
	account, err := s.session(ctx)
	if err != nil {
		return err
	}
	seen, err := s.read(ctx, account, b)
	if err != nil {
		return err
	}
	if err := s.create(ctx, account, b, seen); err != nil {
		return err
	}
	changed, err := s.change(ctx, account, b, seen)
	if err != nil {
		return err
	}
	if changed {
		if seen, err = s.read(ctx, account, b); err != nil {
			return err
		}
	}
	s.confirm(b, seen)
	return b.Err()
}

// read looks at the batch's domains, and takes out those that can't be switched.
func (s *Signer) read(ctx context.Context, account string, b *signer.Batch) (map[string]*domain, error) {
	var names []string
	for _, k := range b.Keys {
		names = append(names, k.Domain)
	}
	seen, err := s.look(ctx, account, names)
	if err != nil {
		return nil, err
	}
	for _, k := range b.Keys {
		if err := s.unfit(b.What(k.Name), seen[k.Domain]); err != nil {
			b.Fail(k.Name, err)
		}
	}
	b.Drop()
	return seen, nil
}

// create puts the keys into Stalwart that it does not have, with stage pending, and reads them back.
func (s *Signer) create(ctx context.Context, account string, b *signer.Batch, seen map[string]*domain) error {
	var missing []dkim.SigningKey
	for _, k := range b.Keys {
		if seen[k.Domain].of(k.Ref()).ID == "" {
			missing = append(missing, k)
		}
	}
	for chunk := range slices.Chunk(missing, mostObjects) {
		objects, sent := map[string]any{}, protocol.Request{}
		for _, k := range chunk {
			kind := "Dkim1RsaSha256"
			if k.Key.Public().Algorithm() == dkim.Ed25519 {
				kind = "Dkim1Ed25519Sha256"
			}
			sent.Domains = append(sent.Domains, protocol.Entry{PrivateKey: string(k.Key.PEM())})
			objects[k.Domain] = map[string]any{"@type": kind, "domainId": seen[k.Domain].ID, "selector": k.Selector,
				"stage": pending, "privateKey": map[string]any{"@type": "Text", "secret": string(k.Key.PEM())}}
		}
		var answer struct{ NotCreated map[string]refusal }
		what := "create signatures of " + named(chunk) + " on signer " + s.cfg.Name
		err := s.jmap(ctx, request{account, what, true, sent.Scrub},
			method{name: "x:DkimSignature/set", args: map[string]any{"create": objects}, into: &answer})
		if err != nil {
			return err
		}
		for _, k := range chunk {
			if r, not := answer.NotCreated[k.Domain]; not {
				b.Fail(k.Name, s.notSet(b.What(k.Name), "create its signature", r, sent.Scrub))
			}
		}
	}
	b.Drop()
	if len(missing) == 0 {
		return nil
	}
	again, err := s.read(ctx, account, b)
	maps.Copy(seen, again)
	return err
}

func named(keys []dkim.SigningKey) string {
	var names []string
	for _, k := range keys {
		names = append(names, k.Domain)
	}
	return some(names)
}

// notSet says why Stalwart did not change an object.
func (s *Signer) notSet(what, attempt string, r refusal, scrub func([]byte) []byte) error {
	err := fmt.Errorf("the Stalwart server did not %s: %s", attempt, r.text(scrub))
	switch r.Type {
	case "forbidden":
		return fault.Lasting(what, err, "give the API key the permissions that the example stalwart names")
	case "overQuota":
		return fault.Lasting(what, err, "raise the tenant's quota of DKIM keys in Stalwart, or destroy retired signatures")
	case "rateLimit":
		return fault.Temporary(what, err, "it is tried again by itself; allow the API key more requests in Stalwart")
	}
	return fault.Temporary(what, err, "see Stalwart's log; it is tried again by itself")
}

// update is the change of one object's stage. The order of them counts.
type update struct {
	id, stage string
	key       dkim.Name
	was       string
}

// updates is an object of JSON in which the order is kept.
type updates []update

// MarshalJSON renders the updates in order.
func (u updates) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, one := range u {
		if i > 0 {
			b.WriteByte(',')
		}
		id, err := json.Marshal(one.id)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, `%s:{"stage":%q}`, id, one.stage)
	}
	return fmt.Appendf(nil, "{%s}", &b), nil
}

// change makes the keys the only active ones. A domain's updates are in one set.
func (s *Signer) change(ctx context.Context, account string, b *signer.Batch, seen map[string]*domain) (bool, error) {
	var sets []updates
	for _, k := range b.Keys {
		u := seen[k.Domain].toward(k)
		if len(u) == 0 {
			continue
		}
		if last := len(sets) - 1; last >= 0 && len(sets[last])+len(u) <= mostObjects {
			sets[last] = append(sets[last], u...)
		} else {
			sets = append(sets, u)
		}
	}
	for _, set := range sets {
		if err := s.set(ctx, account, b, set); err != nil {
			return true, err
		}
	}
	b.Drop()
	return len(sets) > 0, nil
}

// toward returns what makes a key the only active one: it first, then the others, so that at no time there is none.
//
// Where that is so already, an earlier run may have been cut off after Stalwart had written the change and before it
// forgot the signers that it keeps in memory: it would still sign with the key before. It forgets them with any change
// of a signature, so one that does not sign is changed.
func (d *domain) toward(k dkim.SigningKey) (out updates) {
	next := d.of(k.Ref())
	if next.ID == "" { // it was created and can't be seen yet: confirm says so
		return nil
	}
	if next.Stage != active {
		out = updates{{id: next.ID, stage: active, key: k.Name, was: next.Stage}}
	}
	for _, g := range d.signing() {
		if g.ID != next.ID {
			out = append(out, update{id: g.ID, stage: retiring, key: k.Name, was: active})
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, g := range d.signatures {
		if other := map[string]string{retiring: retired, retired: retiring}[g.Stage]; g.classic() && other != "" {
			return updates{{id: g.ID, stage: other, key: k.Name, was: g.Stage}}
		}
	}
	return nil
}

// set carries out updates, and puts back a domain's key from before where its new one did not become active.
func (s *Signer) set(ctx context.Context, account string, b *signer.Batch, set updates) error {
	not, err := s.setStages(ctx, account, set)
	if err != nil {
		return err
	}
	var back updates
	for _, u := range set {
		r, failed := not[u.id]
		if !failed {
			continue
		}
		b.Fail(u.key, s.notSet(b.What(u.key), "set a signature to "+u.stage, r, nil))
		if u.stage != active {
			continue
		}
		for _, other := range set {
			if _, stays := not[other.id]; other.key == u.key && other.was == active && !stays {
				back = append(back, update{id: other.id, stage: active, key: u.key, was: other.stage})
			}
		}
	}
	if len(back) == 0 {
		return nil
	}
	_, err = s.setStages(ctx, account, back)
	return err
}

func (s *Signer) setStages(ctx context.Context, account string, set updates) (not map[string]refusal, err error) {
	var answer struct{ NotUpdated map[string]refusal }
	what := fmt.Sprintf("switch %d signatures on signer %s", len(set), s.cfg.Name)
	// not repeated blindly: what changes nothing, because it was written before, makes Stalwart forget nothing
	err = s.jmap(ctx, request{account: account, what: what, once: true},
		method{name: "x:DkimSignature/set", args: map[string]any{"update": set}, into: &answer})
	return answer.NotUpdated, err
}

// confirm compares what was read back with the keys.
func (s *Signer) confirm(b *signer.Batch, seen map[string]*domain) {
	for _, k := range b.Keys {
		ref, err := seen[k.Domain].one(s.cfg.Name, k.Domain)
		if err == nil && ref != k.Ref() {
			err = fault.Temporary(b.What(k.Name), fmt.Errorf("the Stalwart server says that it signs with %s", said(ref)),
				"see whether somebody else changes the domain's signatures in Stalwart; it is tried again by itself")
		}
		if err != nil {
			b.Fail(k.Name, err)
		}
	}
	b.Drop()
}

func said(ref dkim.Ref) string {
	if ref.Selector == "" {
		return "no key"
	}
	return fmt.Sprintf("selector %s and key %.8s", ref.Selector, ref.KeyID)
}
