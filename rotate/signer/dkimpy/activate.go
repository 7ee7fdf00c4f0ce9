package dkimpy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Activate makes each key the only one that its domain is signed with; see the package documentation for how. One
// domain's fault does not stop the others: the error is then a *signer.PartialError, or the fault itself when keys
// holds one domain. Any other error means that no domain is confirmed. What the daemon signs with already needs no
// restart.
func (s *Signer) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	if len(keys) == 0 {
		return nil
	}
	if err := s.checkRestart(); err != nil {
		return err
	}
	t, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	b := signer.NewBatch(s.cfg.Name, keys, func(k dkim.SigningKey) error {
		if err := s.checkKey(k); err != nil {
			return err
		}
		return s.clash(t, k.Name)
	})
	if err := s.keepOthers(ctx, t, b); err != nil {
		return err
	}
	_, failed, err := s.store.WriteAll(ctx, b.Keys)
	if err != nil {
		return err
	}
	for _, k := range b.Keys {
		if err := failed[k.Domain]; err != nil {
			b.Fail(k.Name, fmt.Errorf("%s: %w", b.What(k.Name), err))
		}
	}
	b.Drop()
	if err := s.putInForce(ctx, t, b); err != nil {
		return err
	}
	return b.Err()
}

// keepOthers takes other domains along whose lines are not in the tables any more, before a restart takes them from the
// daemon, too.
func (s *Signer) keepOthers(ctx context.Context, t *tables, b *signer.Batch) (err error) {
	t.silent, err = s.Keep(ctx, b, signer.Files{Text: t.texts(), Say: func(ref dkim.Ref) bool { return s.says(t, ref) },
		Keys: func(ref dkim.Ref) []string { return s.store.Files(ref) }},
		func(domains []string) map[string]dkim.Ref {
			active, _ := s.Active(ctx, domains) // one that does not answer has nothing to lose
			return active
		}, func() bool { return len(s.prove(ctx, b, 0)) == 0 })
	return err
}

// says reports whether the tables have a domain signed with a key: by a line of ours, or one of others where there is
// none of ours.
func (s *Signer) says(t *tables, ref dkim.Ref) bool {
	if e, ok := s.written(t, ref.Domain); ok {
		return e.selector == ref.Selector && (holds(e.path, ref.KeyID) || s.namedFor(e, ref))
	}
	for _, keyed := range t.keyed() {
		for _, r := range records(keyed.Foreign) {
			if e, ok := entryOf(r); ok && strings.EqualFold(e.domain, ref.Domain) && e.selector == ref.Selector &&
				holds(e.path, ref.KeyID) {
				return true
			}
		}
	}
	return false
}

// namedFor reports whether an entry names the file of a key, which is not there: complete writes it again.
func (s *Signer) namedFor(e entry, ref dkim.Ref) bool {
	_, err := os.Stat(e.path)
	id := s.store.IDIn(e.domain, e.selector, e.path)
	return errors.Is(err, fs.ErrNotExist) && id != "" && strings.HasPrefix(ref.KeyID, id)
}

// holds reports whether a file holds a key, or can't be read.
func holds(path, keyID string) bool {
	data, err := keyfiles.ReadKey(path)
	return err == nil && keyfiles.KeyIDIn(data) == keyID || err != nil && !errors.Is(err, fs.ErrNotExist)
}

func (s *Signer) checkRestart() error {
	return preflight.Command("restart signer "+s.cfg.Name, s.cfg.Restart, "restart")
}

// checkKey refuses a key that the daemon could not use.
func (s *Signer) checkKey(k dkim.SigningKey) error {
	if k.Public().Bits() == 256 && s.cfg.KeyTableEd25519 == "" {
		return &fault.Error{Kind: fault.Refused, Code: codes.UnprovenAlgorithm,
			What: fmt.Sprintf("activate %s on signer %s", k.Name, s.cfg.Name),
			Err:  errors.New(noEd25519),
			Hint: "set KeyTableEd25519 in dkimpy-milter.conf and key_table_ed25519 in the configuration, or use an RSA key"}
	}
	return nil
}

// clash refuses lines of others by which a domain's mail would not come to ours, or would be signed with a selector
// whose key dkimbot replaces.
func (s *Signer) clash(t *tables, n dkim.Name) error {
	refuse := func(r record, why string) error {
		return &fault.Error{Kind: fault.Refused, Code: codes.ForeignSignerLine,
			What: fmt.Sprintf("activate %s on signer %s", n, s.cfg.Name),
			Err:  fmt.Errorf("%s has a line for %s that dkimbot did not write and that %s", t.signing.path, r.key, why),
			Hint: "take that line out, and don't restart dkimpy-milter: until then it signs as before. " +
				"The next try writes the domain's own lines and restarts it; mail that no other line signs, such as that of " +
				"subdomains, leaves unsigned then, so list those as domains of their own first"}
	}
	selectors := []string{n.Selector}
	if e, ok := s.written(t, n.Domain); ok {
		selectors = append(selectors, e.selector)
	}
	for _, r := range records(t.signing.Foreign) {
		if r.key == pattern(n.Domain) {
			continue // ours has replaced its value
		}
		if matches(r.key, "postmaster@"+n.Domain) {
			return refuse(r, "dkimpy-milter finds before the domain's own")
		}
		for _, keyed := range t.keyed() {
			for _, k := range records(keyed.data) {
				e, _ := entryOf(k)
				leads := k.key == r.values[len(r.values)-1] && strings.EqualFold(e.domain, n.Domain)
				if leads && slices.ContainsFunc(selectors, func(s string) bool { return strings.EqualFold(s, e.selector) }) {
					return refuse(r, "signs with "+e.selector+", whose key dkimbot replaces")
				}
			}
		}
	}
	return nil
}

// written returns what our block has a domain signed with.
func (s *Signer) written(t *tables, domain string) (e entry, ok bool) {
	used := t.signing.Ours[pattern(domain)]
	for _, keyed := range t.keyed() {
		if e, ok := entryOf(record{used, strings.Split(keyed.Ours[used], ":")}); ok && e.path != noKey {
			return e, true
		}
	}
	return entry{}, false
}

// putInForce writes the tables where they change, restarts, and has the daemon prove it.
func (s *Signer) putInForce(ctx context.Context, t *tables, b *signer.Batch) error {
	if len(b.Keys) == 0 {
		return nil
	}
	changed := s.plan(t, b.Keys)
	if !changed && len(s.prove(ctx, b, 0)) == 0 {
		return nil
	}
	before := s.signedBefore(ctx, t, b)
	if !t.silent {
		if err := s.complete(ctx, t); err != nil {
			return err
		}
	}
	if err := s.write(t); err != nil || t.silent {
		return err
	}
	if err := s.keepOld(t, b); err != nil || len(b.Keys) == 0 {
		return err
	}
	err := s.restart(ctx, t)
	if err == nil {
		return s.settle(ctx, t, b, before)
	}
	if changed {
		err = s.goBack(ctx, t, err)
	}
	return err
}

// plan sets our lines, and reports whether anything changes. The entries that our SigningTable uses stay, so that the
// old one is valid beside the new KeyTable; older ones go.
func (s *Signer) plan(t *tables, keys []dkim.SigningKey) (changed bool) {
	counting := map[*table]map[string]string{} // a later line of others counts in the place of ours
	for _, each := range t.all() {
		counting[each] = inForce(each.data)
	}
	for _, k := range keys {
		used, wanted := t.signing.Ours[pattern(k.Domain)], name(k.Ref())
		changed = changed || used != wanted || counting[t.signing][pattern(k.Domain)] != wanted
		for _, keyed := range t.keyed() {
			path := noKey
			if (k.Public().Bits() == 256) == (keyed == t.ed) {
				path = s.store.File(k.Ref())
			}
			value := k.Domain + ":" + k.Selector + ":" + path
			changed = changed || keyed.Ours[wanted] != value || counting[keyed][wanted] != value
			for old := range keyed.Ours {
				if strings.HasSuffix(old, "._domainkey."+k.Domain) && old != used && old != wanted {
					keyed.Set(old, "")
				}
			}
			keyed.Set(wanted, value)
		}
		t.signing.Set(pattern(k.Domain), wanted)
	}
	return changed
}

// write writes the tables that have changed, the SigningTable last.
func (s *Signer) write(t *tables) error {
	for _, each := range t.all() {
		switch {
		case len(each.Ours) == 0:
		case each == t.signing:
			each.Set(pattern(placeholder), placeholder)
		default:
			each.Set(placeholder, placeholder+":none:"+noKey)
		}
		data := each.Bytes()
		if slices.Equal(data, each.data) {
			continue
		}
		if err := s.store.Replace(each.Place, data); err != nil {
			return s.store.Fault("write table "+each.path, err)
		}
		each.data = data
	}
	s.Wrote(t.texts()...)
	return nil
}

// restart starts the daemon again, unless it would not run then.
func (s *Signer) restart(ctx context.Context, t *tables) error {
	if err := s.startable(t, nil); err != nil {
		return err
	}
	if err := s.store.Step("restart"); err != nil {
		return err
	}
	res, err := child.Run(ctx, child.Program{Argv: s.cfg.Restart, Timeout: s.cfg.RestartTimeout, KeepsDaemons: true})
	if err == nil {
		return s.store.Step("prove")
	}
	if said := child.Tail(slices.Concat(res.Stdout, res.Stderr)); said != "" {
		err = fmt.Errorf("%w; it said: %s", err, said)
	}
	return fault.Temporary(fmt.Sprintf("restart signer %s with %s", s.cfg.Name, child.Shell(s.cfg.Restart)), err,
		"run that command by hand, and see whether the daemon runs; journalctl -u dkimpy-milter says why")
}
