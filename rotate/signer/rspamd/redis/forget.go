package redis

import (
	"context"
	"fmt"
	"slices"

	client "github.com/redis/go-redis/v9"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Forget removes the fields that hold these keys and that dkimbot wrote. A key whose selector signs is kept and refused
// with the code "key-in-use", and so is one in a field to which another domain's selector leads. Forgetting what is not
// there succeeds. Failures are by domain, as with Activate.
func (s *Signer) Forget(ctx context.Context, keys []dkim.Ref) error {
	failed := map[string]error{}
	var valid []dkim.Ref
	for _, ref := range keys {
		if err := signer.CheckForgotten(ref, s.cfg.Name); err != nil {
			failed[ref.Domain] = err
			continue
		}
		valid = append(valid, ref)
	}
	db, err := s.open()
	if err != nil {
		return err
	}
	defer db.Close()
	for part := range slices.Chunk(valid, chunk) {
		if err := s.forget(ctx, db, part, failed); err != nil {
			return s.fault(ctx, "forget keys", err)
		}
	}
	return signer.Partial(failed, len(keys))
}

func (s *Signer) forget(ctx context.Context, db *client.Client, part []dkim.Ref, failed map[string]error) error {
	var domains []string
	var at []dkim.SigningKey
	for _, ref := range part {
		domains, at = append(domains, ref.Domain), append(at, dkim.SigningKey{Name: ref.Name})
	}
	signs, err := s.signing(ctx, db, domains)
	if err != nil {
		return err
	}
	for i, m := range s.modules() {
		p, err := s.place(ctx, db, m, at)
		if err != nil {
			return err
		}
		var gone []string
		for j, ref := range part {
			switch {
			case failed[ref.Domain] != nil:
			case p.held(j) != ref.KeyID || !p.own(j): // a newer key, or somebody else's
			case signs[ref.Domain][i].Name == ref.Name:
				failed[ref.Domain] = &fault.Error{Kind: fault.Refused, Code: codes.KeyInUse,
					What: signer.Forgetting(ref, s.cfg.Name),
					Err:  fmt.Errorf("%s has its selector for %s", m.selectors, ref.Domain),
					Hint: signer.ReplaceFirst("its field in that hash")}
			case p.users[j] != "":
				failed[ref.Domain] = signer.OthersUse(ref, s.cfg.Name, m.at(ref.Name), p.users[j])
			default:
				gone = append(gone, field(ref.Name))
			}
		}
		if len(gone) == 0 {
			continue
		}
		for _, hash := range []string{m.keys, m.notes()} {
			if err := db.HDel(ctx, hash, gone...).Err(); err != nil {
				return err
			}
		}
	}
	return nil
}
