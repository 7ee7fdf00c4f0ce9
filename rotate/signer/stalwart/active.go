package stalwart

import (
	"context"
	"fmt"
	"slices"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Active returns the key of each domain's active signature, as Stalwart derives it from the private key that it holds.
// A domain that Stalwart does not have, or does not sign, is left out. One with several fails by itself.
func (s *Signer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	out, failed := map[string]dkim.Ref{}, map[string]error{}
	if len(domains) == 0 {
		return out, nil
	}
	account, err := s.session(ctx)
	if err != nil {
		return nil, err
	}
	seen, err := s.look(ctx, account, domains)
	if err != nil {
		return nil, err
	}
	for name, d := range seen {
		switch ref, err := d.one(s.cfg.Name, name); {
		case err != nil:
			failed[name] = err
		case ref.Selector != "":
			out[name] = ref
		}
	}
	return out, signer.Partial(failed, len(domains))
}

// Forget destroys the signatures with just these keys. One that is active is kept and refused with the code
// "key-in-use". Forgetting what is not there succeeds.
func (s *Signer) Forget(ctx context.Context, keys []dkim.Ref) error {
	if len(keys) == 0 {
		return nil
	}
	var names []string
	for _, ref := range keys {
		if err := ref.Check(); err != nil || ref.KeyID == "" {
			return fault.Lasting("forget a key on signer "+s.cfg.Name, fmt.Errorf("%s is no reference to a key", ref.Name),
				"report this as a defect")
		}
		names = append(names, ref.Domain)
	}
	slices.Sort(names)
	s.one.Lock()
	defer s.one.Unlock()
	account, err := s.session(ctx)
	if err != nil {
		return err
	}
	seen, err := s.look(ctx, account, slices.Compact(names))
	if err != nil {
		return err
	}
	failed, ids := map[string]error{}, map[string]dkim.Ref{}
	for _, ref := range keys {
		d := seen[ref.Domain]
		if d == nil {
			continue
		}
		for _, g := range d.signatures {
			switch {
			case !g.classic() || g.ref(ref.Domain) != ref:
			case g.Stage == active:
				failed[ref.Domain] = fault.Refuse(codes.KeyInUse,
					fmt.Sprintf("forget key %.8s of %s on signer %s: its signature is active in Stalwart", ref.KeyID, ref.Name,
						s.cfg.Name), "activate the other selector first")
			default:
				ids[g.ID] = ref
			}
		}
	}
	if err := s.destroy(ctx, account, ids, failed); err != nil {
		return err
	}
	return signer.Partial(failed, len(keys))
}

// destroy removes signatures that are not active.
func (s *Signer) destroy(ctx context.Context, account string, ids map[string]dkim.Ref, failed map[string]error) error {
	var all []string
	for id := range ids {
		all = append(all, id)
	}
	slices.Sort(all)
	for some := range slices.Chunk(all, mostObjects) {
		var answer struct{ NotDestroyed map[string]refusal }
		err := s.jmap(ctx,
			request{account: account, what: fmt.Sprintf("destroy %d signatures on signer %s", len(some), s.cfg.Name)},
			method{name: "x:DkimSignature/set", args: map[string]any{"destroy": some}, into: &answer})
		if err != nil {
			return err
		}
		for id, r := range answer.NotDestroyed {
			if ref := ids[id]; r.Type != "notFound" {
				failed[ref.Domain] = s.notSet(signer.Forgetting(ref, s.cfg.Name),
					"destroy its signature", r, nil)
			}
		}
	}
	return nil
}
