package opendkim

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim/flatfile"
)

// Forget removes our key files of these keys, and our KeyTable entries for
// them; our SigningTable line, too, where somebody else's is found before it, as when
// a person has moved the domain to a key of their own. A key that the SigningTable uses, that somebody
// else's line names, or whose replacement is not confirmed yet is kept and refused with the code
// "key-in-use". Forgetting what is not there succeeds. Failures are by domain, as with Activate.
func (s *Signer) Forget(ctx context.Context, keys []dkim.Ref) error {
	b, err := begin(ctx, s, nil)
	if err != nil {
		return err
	}
	defer b.close()
	if err := b.readTables(); err != nil {
		return err
	}
	root, err := safefile.OpenDir(s.cfg.KeyDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return s.fileFault("open key_dir "+s.cfg.KeyDir, err)
	}
	defer root.Close()
	dead := b.dropDead(keys)
	forgotten, entries := b.release(keys)
	if forgotten, err = b.dropSigning(ctx, forgotten); err != nil {
		return err
	}
	if dead {
		if err := b.store.Replace(b.sign, b.signTab.Bytes()); err != nil {
			return b.fileFault("write table "+b.signTable, err)
		}
	}
	if entries {
		if err := b.store.Replace(b.key, b.keyTab.Bytes()); err != nil {
			return b.fileFault("write table "+b.keyTable, err)
		}
	}
	for _, ref := range forgotten {
		if err := s.store.Remove(root, ref); err != nil {
			b.Failed[ref.Domain] = err
		}
	}
	return signer.Partial(b.Failed, len(keys))
}

// dropDead takes out our SigningTable lines that are not in force, as another line is
// found before them, if there is one that uses one of the keys; it reports whether there is.
// All go at once: our block comes first when it is written, and none is to come into force by that.
func (b *batch) dropDead(keys []dkim.Ref) bool {
	dead := map[string]bool{}
	for domain := range b.own {
		_, outstanding := b.marker[domain]
		if use, signs := b.view.Domain(domain); signs && !outstanding && b.signTab.Ours[b.pattern(domain)] != "" &&
			use != b.written(domain) {
			dead[domain] = true
		}
	}
	if !slices.ContainsFunc(keys, func(ref dkim.Ref) bool {
		return dead[ref.Domain] && slices.Contains(b.store.Files(ref), b.written(ref.Domain).Path)
	}) {
		return false
	}
	for domain := range dead {
		b.signTab.Set(b.pattern(domain), "")
	}
	return true
}

// release takes the entries of the keys that nothing uses out of our block.
func (b *batch) release(keys []dkim.Ref) (released []dkim.Ref, entries bool) {
	usedNames, foreignPaths := b.uses()
	for _, ref := range keys {
		if err := signer.CheckForgotten(ref, b.cfg.Name); err != nil {
			b.Failed[ref.Domain] = err
			continue
		}
		files, before := b.store.Files(ref), b.marker[ref.Domain]
		inUse := before != nil && slices.Contains(files, before.Path) ||
			b.store.Named(ref, foreignPaths)
		var mine []string
		for _, name := range b.own[ref.Domain] {
			if e, _ := flatfile.ParseEntry(b.keyTab.Ours[name]); slices.Contains(files, e.Path) {
				mine, inUse = append(mine, name), inUse || usedNames[name]
			}
		}
		if inUse {
			b.Failed[ref.Domain] = fault.Refuse(codes.KeyInUse, signer.Forgetting(ref, b.cfg.Name)+": tables of the signer use it",
				signer.ReplaceFirst("its line in the SigningTable"))
			continue
		}
		for _, name := range mine {
			entries = true
			b.keyTab.Set(name, "")
		}
		released = append(released, ref)
	}
	return released, entries
}

// dropSigning keeps the keys that the daemon says it signs with, whatever the tables say: it may
// have failed to load them, or have loaded others. Keys that this host does not hold need no question.
func (b *batch) dropSigning(ctx context.Context, refs []dkim.Ref) ([]dkim.Ref, error) {
	held := map[string]dkim.Ref{}
	for _, ref := range refs {
		for _, file := range b.store.Files(ref) {
			if _, err := os.Lstat(file); err == nil {
				held[ref.Domain] = ref
			}
		}
	}
	if b.socket.None() || len(held) == 0 {
		return refs, nil
	}
	domains := slices.Sorted(maps.Keys(held))
	signing, failed := b.signing(ctx, domains, held)
	if len(signing) > 0 { // it may not have heard of the last change
		if err := b.reload(ctx); err != nil {
			return nil, err
		}
		var doubts map[string]error
		signing, doubts = b.stillSigning(ctx, signing, held)
		maps.Copy(failed, doubts)
	}
	for _, domain := range signing {
		what := signer.Forgetting(held[domain], b.cfg.Name)
		failed[domain] = &fault.Error{Kind: fault.Refused, Code: codes.KeyInUse, What: what,
			Err: fmt.Errorf("opendkim at %s signs with it", b.cfg.Milter),
			Hint: fmt.Sprintf("see whether the daemon can load %s and %s, and whether opendkim.conf names them; "+
				"journalctl -u opendkim says why", b.keyTable, b.signTable)}
	}
	maps.Copy(b.Failed, failed)
	return slices.DeleteFunc(refs, func(ref dkim.Ref) bool { return failed[ref.Domain] != nil }), nil
}

// stillSigning asks until the daemon has left the keys, or ReloadTimeout has passed: a reload returns before
// the daemon has done it.
func (b *batch) stillSigning(ctx context.Context, domains []string,
	keys map[string]dkim.Ref) (signing []string, failed map[string]error) {
	for deadline := time.Now().Add(b.cfg.ReloadTimeout); ; {
		signing, failed = b.signing(ctx, domains, keys)
		if len(signing) == 0 || time.Now().After(deadline) {
			return signing, failed
		}
		select {
		case <-ctx.Done():
			return signing, failed
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// signing returns the domains that the daemon signs with their keys.
func (b *batch) signing(ctx context.Context, domains []string,
	keys map[string]dkim.Ref) (signing []string, failed map[string]error) {
	active, failed, _ := b.ask(ctx, domains, b.keyring(b.view, b.marker))
	for _, domain := range domains {
		if is, ok := active[domain]; ok && strings.EqualFold(is.Selector, keys[domain].Selector) &&
			(is.KeyID == keys[domain].KeyID || signer.Unidentified(is.KeyID)) {
			signing = append(signing, domain)
		}
	}
	return signing, failed
}

// uses returns the KeyTable names that the SigningTable uses and the key files
// that other people's KeyTable lines name, also by a symbolic link.
func (b *batch) uses() (names, paths map[string]bool) {
	names, paths = map[string]bool{}, map[string]bool{}
	for _, name := range b.signTab.Ours {
		names[name] = true
	}
	for name := range b.foreign.uses {
		names[name] = true
	}
	for _, value := range flatfile.Records(b.keyTab.Foreign, false) {
		if e, ok := flatfile.ParseEntry(value); ok {
			paths[settings.RealPath(e.Path)] = true
		}
	}
	return names, paths
}
