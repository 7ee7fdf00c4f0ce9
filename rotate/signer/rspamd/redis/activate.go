package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	client "github.com/redis/go-redis/v9"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Activate makes each key the only one that its domain is signed with; see the package documentation for how. One
// domain's fault does not stop the others: the error is then a *signer.PartialError, or the fault itself when keys
// holds one domain. Any other error means that what is not confirmed by Active is not in force.
func (s *Signer) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	if len(keys) == 0 {
		return nil
	}
	b := signer.NewBatch(s.cfg.Name, keys, s.checkKey)
	db, err := s.open()
	if err != nil {
		return err
	}
	defer db.Close()
	for part := range slices.Chunk(slices.Clone(b.Keys), chunk) {
		if err := s.activate(ctx, db, b, part); err != nil {
			return s.fault(ctx, "activate keys", err)
		}
	}
	if err := s.follow(ctx, b); err != nil {
		return err
	}
	if err := s.cfg.Witness.Prove(ctx, b.Keys, b.Failed); err != nil {
		return err
	}
	return b.Err()
}

// checkKey refuses what rspamd's arc module can't use.
func (s *Signer) checkKey(k dkim.SigningKey) error {
	if k.Public().Bits() == 256 && s.cfg.ArcSelectorPrefix != "" {
		return &fault.Error{Kind: fault.Refused, Code: codes.UnprovenAlgorithm,
			What: fmt.Sprintf("activate %s on signer %s", k.Name, s.cfg.Name),
			Err:  errors.New("rspamd's arc module can't sign with an Ed25519 key"),
			Hint: "use an RSA key for this domain, or leave arc_selector_prefix out of the signer"}
	}
	return nil
}

// activate carries a part of a batch out.
func (s *Signer) activate(ctx context.Context, db *client.Client, b *signer.Batch, part []dkim.SigningKey) error {
	before, err := s.signing(ctx, db, domainsOf(part))
	if err != nil {
		return err
	}
	for i, m := range s.modules() {
		if part, err = s.writeKeys(ctx, db, b, m, part, func(d string) dkim.Ref { return before[d][i] }); err != nil {
			return err
		}
	}
	if len(part) == 0 {
		return nil
	}
	if err := s.choose(ctx, db, part, before); err != nil {
		return err
	}
	after, err := s.signing(ctx, db, domainsOf(part))
	if err != nil {
		return err
	}
	for _, k := range part {
		if slices.ContainsFunc(after[k.Domain], func(r dkim.Ref) bool { return r != k.Ref() }) {
			b.Fail(k.Name, fault.Temporary(b.What(k.Name), errors.New("the fields were read again and say something else"),
				"see whether another program writes to them"))
		}
	}
	return nil
}

func domainsOf(keys []dkim.SigningKey) (out []string) {
	for _, k := range keys {
		out = append(out, k.Domain)
	}
	return out
}

// writeKeys puts the keys into the hash of a module, and drops those that would replace somebody else's, or another
// domain's. before says what signs a domain now.
func (s *Signer) writeKeys(ctx context.Context, db *client.Client, b *signer.Batch, m module, part []dkim.SigningKey,
	before func(domain string) dkim.Ref) (left []dkim.SigningKey, err error) {
	p, err := s.place(ctx, db, m, part)
	if err != nil {
		return nil, err
	}
	var notes, write []any
	given := map[string]string{}
	for i, k := range part {
		in, now := p.held(i), before(k.Domain)
		if other := cmp.Or(p.occupied(i, k, now), given[field(k.Name)]); other != "" {
			b.Fail(k.Name, b.Occupied(k.Name, m.at(k.Name), other))
			continue
		}
		given[field(k.Name)] = k.Domain
		if in != "" && in != k.Key.ID() && !p.own(i) && now != (dkim.Ref{Name: k.Name, KeyID: in}) {
			b.Fail(k.Name, s.foreign(b, m, k))
			continue
		}
		left = append(left, k)
		ids := []string{k.Key.ID()}
		if in != "" && in != k.Key.ID() {
			ids = append(ids, in)
		}
		if is := note(k.Domain, ids...); p.notes[i] != is {
			notes = append(notes, field(k.Name), is)
		}
		if now.KeyID != "" && now.Name != k.Name { // it is taken over
			notes = append(notes, field(now.Name), note(k.Domain, now.KeyID))
		}
		if in != k.Key.ID() {
			write = append(write, field(k.Name), string(keyfiles.SeedText(k.Key)))
		}
	}
	for _, w := range []struct {
		hash   string
		fields []any
	}{{m.notes(), notes}, {m.keys, write}} {
		if len(w.fields) == 0 {
			continue
		}
		if err := s.at("write " + w.hash); err != nil {
			return nil, err
		}
		if err := db.HSet(ctx, w.hash, w.fields...).Err(); err != nil {
			return nil, err
		}
	}
	return left, nil
}

// choose writes the selectors, and the public keys, of one part at one instant.
func (s *Signer) choose(ctx context.Context, db *client.Client, part []dkim.SigningKey,
	before map[string][]dkim.Ref) error {
	var selectors, public []any
	for _, k := range part {
		if slices.ContainsFunc(before[k.Domain], func(r dkim.Ref) bool { return r.Selector != k.Selector }) {
			selectors = append(selectors, k.Domain, k.Selector)
		}
		_, p, _ := strings.Cut(dkim.NewRecord(k.Key.Public(), "").String(), "p=")
		public = append(public, k.Domain, p)
	}
	if err := s.at("choose"); err != nil {
		return err
	}
	_, err := db.TxPipelined(ctx, func(tx client.Pipeliner) error {
		for _, m := range s.modules() {
			if len(selectors) > 0 {
				tx.HSet(ctx, m.selectors, selectors...)
			}
		}
		if s.cfg.PubPrefix != "" {
			tx.HSet(ctx, s.cfg.PubPrefix, public...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.at("confirm")
}

// place is what stands in the fields of keys, and which other domains use them.
type place struct{ keys, notes, users []string }

func (s *Signer) place(ctx context.Context, db *client.Client, m module, part []dkim.SigningKey) (p place, err error) {
	var fields []string
	var names []dkim.Name
	for _, k := range part {
		fields, names = append(fields, field(k.Name)), append(names, k.Name)
	}
	if len(fields) == 0 {
		return p, nil
	}
	keys, err := db.HMGet(ctx, m.keys, fields...).Result()
	if err != nil {
		return p, err
	}
	notes, err := db.HMGet(ctx, m.notes(), fields...).Result()
	if err != nil {
		return p, err
	}
	users, err := m.users(ctx, db, names)
	return place{texts(keys), texts(notes), users}, err
}

// held returns the id of the key in a field: "" for an empty field, "?" for what is no key.
func (p place) held(i int) string {
	id := keyfiles.KeyIDIn([]byte(p.keys[i]))
	if id == "" && p.keys[i] != "" {
		return "?"
	}
	return id
}

// own reports whether the key in a field is dkimbot's.
func (p place) own(i int) bool { return slices.Contains(strings.Fields(p.notes[i]), p.held(i)) }

// foreign is the fault of a key that dkimbot did not write.
func (s *Signer) foreign(b *signer.Batch, m module, k dkim.SigningKey) error {
	return &fault.Error{Kind: fault.Refused, Code: codes.ForeignKeyFile, What: b.What(k.Name),
		Err: fmt.Errorf("a key that dkimbot did not write stands in %s", m.at(k.Name)),
		Hint: fmt.Sprintf("see whether mail is signed with it; where nothing uses it, run: redis-cli hdel %s %s", m.keys,
			field(k.Name))}
}
