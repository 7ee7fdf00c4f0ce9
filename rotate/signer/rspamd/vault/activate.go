package vault

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Activate makes each key the only one that its domain is signed with, after Config.After; at once where that is none,
// or where a compromised key is left, also if the switch was scheduled already. See the package
// documentation for how. One domain's fault does not stop the others: the error is then a
// *signer.PartialError, or the fault itself when keys holds one domain. What is in force is not written again.
func (s *Signer) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	if len(keys) == 0 {
		return nil
	}
	b := signer.NewBatch(s.cfg.Name, keys, s.checkKey)
	modules, err := s.modules()
	if err != nil {
		return err
	}
	for _, m := range modules {
		failed := each(b.Keys, func(k dkim.SigningKey) string { return k.Domain },
			func(k dkim.SigningKey) error { return s.activate(ctx, m, k, b.What(k.Name)) })
		for domain, err := range failed {
			b.Failed[domain] = err
		}
		b.Drop()
	}
	if err := s.cfg.Witness.Prove(ctx, b.Keys, b.Failed); err != nil {
		return err
	}
	return b.Err()
}

// checkKey refuses what rspamd's arc module can't use.
func (s *Signer) checkKey(k dkim.SigningKey) error {
	if k.Public().Bits() == 256 && s.cfg.ArcPath != "" {
		return &fault.Error{Kind: fault.Refused, Code: codes.UnprovenAlgorithm,
			What: fmt.Sprintf("activate %s on signer %s", k.Name, s.cfg.Name),
			Err:  errors.New("rspamd's arc module can't sign with an Ed25519 key"),
			Hint: "use an RSA key for this domain, or leave arc_vault_path out of the signer"}
	}
	return nil
}

// activate switches one domain in the secret of one module.
func (s *Signer) activate(ctx context.Context, m module, k dkim.SigningKey, what string) error {
	if err := s.at("read " + m.path); err != nil {
		return err
	}
	is, err := s.load(ctx, m, k.Domain)
	if err != nil {
		return err
	}
	after, hurry := s.cfg.After, ports.InAHurry(ctx)
	if hurry { // the key that is left is revoked next, and mail by it would fail until then
		after = 0
	}
	err = s.clash(m, is, s.now())
	leave := err != nil && hurry && is.leaves(k, seconds(s.now())) // others' stay: a compromised key is left all the same
	if err != nil && !leave {
		return err
	}
	changed, err := is.choose(k, s.now(), after, leave)
	if err != nil || !changed {
		return err
	}
	data, err := is.data()
	if err != nil {
		return err
	}
	if err := s.at("write " + m.path); err != nil {
		return err
	}
	if err := m.Write(ctx, dkim.Name{Domain: k.Domain}, data, is.before); err != nil {
		return err
	}
	if err := s.at("confirm " + m.path); err != nil {
		return err
	}
	if is, err = s.load(ctx, m, k.Domain); err != nil {
		return err
	}
	if last, ok := is.alone(seconds(s.now()), seconds(s.now().Add(s.cfg.Lag))); !ok || last.ref != k.Ref() {
		return fault.Temporary(what, errors.New("the secret was read again and says something else"),
			"see whether another program writes to it")
	}
	return nil
}

// seconds are the Unix seconds of a time.
func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// choose gives time to the entry of a key, which is made where there is none; leave is as with give. It reports whether
// that changes anything.
func (s *secret) choose(k dkim.SigningKey, now time.Time, after time.Duration, leave bool) (changed bool, err error) {
	next := s.find(k.Ref())
	if next == nil {
		if next, err = newEntry(k); err != nil {
			return false, err
		}
	}
	return s.give(next, now, after, leave), nil
}

// give divides all of time between an entry and, where the switch is to come later, the one that signs now;
// no other one has any, but for those of others where leave says that these stay. It reports whether that changes
// anything. A switch to the entry that is scheduled already is not put off.
func (s *secret) give(next *entry, now time.Time, after time.Duration, leave bool) (changed bool) {
	at := math.Ceil(seconds(now.Add(after)))
	if last, ok := s.alone(seconds(now), forever); ok && last == next && next.start <= at && next.ours {
		return false
	}
	s.entries = slices.DeleteFunc(s.entries, func(e *entry) bool { return e == next })
	begin, wait := math.Inf(-1), after > 0 && !next.valid(seconds(now))
	for _, e := range s.entries {
		switch {
		case leave && !e.ours:
		case wait && e.valid(seconds(now)):
			begin, wait = at, false
			e.bound(math.Inf(-1), at)
			e.own()
		case e.later(math.Inf(-1)) && (e.ours || e.later(seconds(now))):
			e.bound(math.Floor(seconds(now)), math.Floor(seconds(now)))
			e.own()
		}
	}
	next.bound(begin, math.Inf(1))
	next.own()
	s.entries = append(s.entries, next) // behind the one from before
	return true
}

// leaves reports whether entries of others may stay where dkimbot's change: one of these signs, and all of those are
// beside them and have another selector than the key.
func (s *secret) leaves(k dkim.SigningKey, now float64) bool {
	ours := false
	for _, e := range s.entries {
		ours = ours || e.ours
		if !e.ours && e.later(now) && (!s.beside(e) || strings.EqualFold(e.ref.Selector, k.Selector)) {
			return false
		}
	}
	return ours
}

// newEntry returns the entry of a key as rspamd writes one.
func newEntry(k dkim.SigningKey) (*entry, error) {
	der, err := x509.MarshalPKIXPublicKey(k.Key.Public().Key())
	if err != nil {
		return nil, fmt.Errorf("encode the public key: %w", err)
	}
	alg := "rsa"
	if k.Public().Bits() == 256 {
		alg = "ed25519"
	}
	fields := map[string]json.RawMessage{
		"selector": quoted(k.Selector), "domain": quoted(k.Domain), "key": quoted(string(keyfiles.SeedText(k.Key))),
		"pubkey": quoted(base64.StdEncoding.EncodeToString(der)), "alg": quoted(alg),
		"bits": json.RawMessage(strconv.Itoa(k.Public().Bits())),
	}
	return &entry{fields: fields, ref: k.Ref(), usable: true}, nil // valid at no time yet
}

// clash refuses a switch where several entries are valid that dkimbot did not write all, or one will be.
func (s *Signer) clash(m module, is *secret, at time.Time) error {
	now := seconds(at)
	var all, others []string
	for _, e := range is.entries {
		name := e.ref.Selector
		if e.ref.Domain != is.domain {
			name = e.ref.Name.String()
		}
		switch {
		case e.valid(now) && (e.ours || e.ref.Domain == is.domain):
			all = append(all, name)
			if !e.ours {
				others = append(others, name)
			}
		case !e.ours && e.later(now):
			all, others = append(all, name), append(others, name, name) // never alone
		}
	}
	if len(others) == 0 || len(all) == 1 && len(others) == 1 {
		return nil
	}
	return &fault.Error{Kind: fault.Refused, Code: codes.ForeignSignerLine,
		What: fmt.Sprintf("switch %s on signer %s", is.domain, s.cfg.Name),
		Err: fmt.Errorf("the secret %s/%s has entries that dkimbot did not write, "+
			"and rspamd signs with each that is valid: %s",
			m.path, is.domain, strings.Join(all, ", ")),
		Hint: "leave one entry valid: take the others out, or give them a valid_end that is past"}
}
