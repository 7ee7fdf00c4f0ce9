package signer

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Reloads is implemented by signers whose daemon keeps its files in memory and reads them again, for all domains, when
// one is switched.
type Reloads interface {
	// KnowOthers lets the signer ask, while nobody else changes its files, what its domains were switched to last, so
	// that no other domain loses that by a reload. Domains that a change is under way for are left out. It is called
	// before the signer is used.
	KnowOthers(know func(context.Context) (map[string]dkim.Ref, error))
}

// Others knows what dkimbot has made the other domains of a signer sign with. A daemon that keeps its files in memory
// continues with what they said when it read them. A reload for one domain would take up whatever has become of the
// lines of the others since: their mail would be unsigned, or signed with a key that is gone (I1). It is safe for
// concurrent use.
type Others struct {
	know func(context.Context) (map[string]dkim.Ref, error)
	keys KeyOf // nil where there is no keystore

	mu    sync.Mutex
	wrote [sha256.Size]byte // the files as this process has left them
}

// KnowOthers implements Reloads.
func (o *Others) KnowOthers(know func(context.Context) (map[string]dkim.Ref, error)) { o.know = know }

// KeyOf returns the private key that the keystore has at a name, nil for none.
type KeyOf func(ctx context.Context, name dkim.Name) (*dkim.PrivateKey, error)

// KnowKeys lets a signer whose files have lost keys of its domains take them from the keystore. It is called before the
// signer is used.
func (o *Others) KnowKeys(keys KeyOf) { o.keys = keys }

// KeyFor returns the private key at a name when its id begins with id; nil where the keystore does not have it, or
// can't be asked.
func (o *Others) KeyFor(ctx context.Context, name dkim.Name, id string) *dkim.PrivateKey {
	if o.keys == nil || id == "" {
		return nil
	}
	key, err := o.keys(ctx, name)
	if err != nil || key == nil || !strings.HasPrefix(key.ID(), id) {
		return nil
	}
	return key
}

// HasKey reports whether the keystore has a private key at a name.
func (o *Others) HasKey(ctx context.Context, name dkim.Name) bool {
	if o.keys == nil {
		return false
	}
	key, err := o.keys(ctx, name)
	return err == nil && key != nil
}

// Wrote notes how the files were left, so that they are not gone through again while nobody changes them.
func (o *Others) Wrote(files ...[]byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.wrote = sum(files)
}

func (o *Others) asWritten(files [][]byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.wrote == sum(files)
}

func sum(files [][]byte) [sha256.Size]byte { return sha256.Sum256(bytes.Join(files, []byte{0})) }

// Files is what a signer's files say of domains that are not in a batch.
type Files struct {
	Text [][]byte                        // as they were read
	Say  func(dkim.Ref) bool             // whether the domain is signed with that key, by them
	Keys func(dkim.Ref) (paths []string) // where that key may be
}

// TakeAlong adds to the batch those keys of other domains that the files do not say any more. It returns those whose
// key file is gone, too, and that the keystore can't give.
func (o *Others) TakeAlong(ctx context.Context, b *Batch, f Files) (lost []dkim.Ref, err error) {
	if o.know == nil || o.asWritten(f.Text) {
		return nil, nil
	}
	known, err := o.know(ctx)
	if err != nil {
		return nil, err
	}
	astray := false
	for domain, ref := range known {
		if b.domains[domain] || f.Say(ref) {
			continue
		}
		astray = true
		key := keyIn(f.Keys(ref), ref.KeyID)
		if key == nil {
			key = o.KeyFor(ctx, ref.Name, ref.KeyID)
		}
		if key != nil {
			b.Keys = append(b.Keys, dkim.SigningKey{Name: ref.Name, Key: key})
		} else {
			lost = append(lost, ref)
		}
	}
	if !astray {
		o.Wrote(f.Text...)
	}
	slices.SortFunc(b.Keys, func(x, y dkim.SigningKey) int { return strings.Compare(x.Domain, y.Domain) })
	slices.SortFunc(lost, func(x, y dkim.Ref) int { return cmp.Compare(x.Domain, y.Domain) })
	return lost, nil
}

// Keep is TakeAlong for a daemon that can be asked. Where key files are gone as well and the daemon, by active, signs
// with them, there is to be no reload: what it signs with already, by proven, is only written, and anything else is
// refused.
func (o *Others) Keep(ctx context.Context, b *Batch, f Files, active func([]string) map[string]dkim.Ref,
	proven func() bool) (silent bool, err error) {
	lost, err := o.TakeAlong(ctx, b, f)
	if err != nil || len(lost) == 0 {
		return false, err
	}
	domains := make([]string, len(lost))
	for i, ref := range lost {
		domains[i] = ref.Domain
	}
	now := active(domains)
	lost = slices.DeleteFunc(lost, func(ref dkim.Ref) bool { return now[ref.Domain].Selector != ref.Selector })
	if len(lost) == 0 || proven() {
		return len(lost) > 0, nil
	}
	return false, b.taking(lost)
}

// keyIn returns the key if one of the files holds it.
func keyIn(paths []string, id string) *dkim.PrivateKey {
	for _, path := range paths {
		data, err := keyfiles.ReadKey(path)
		if err != nil {
			continue
		}
		if key, err := dkim.ParseForeignKey(data); err == nil && key.ID() == id {
			return key
		}
	}
	return nil
}

// taking refuses a reload that would take from other domains what the daemon signs them with.
func (b *Batch) taking(from []dkim.Ref) error {
	names := make([]string, 0, 3)
	for _, ref := range from[:min(len(from), cap(names))] {
		names = append(names, ref.Domain)
	}
	of := strings.Join(names, ", ")
	if more := len(from) - len(names); more > 0 {
		of += fmt.Sprintf(" and %d more", more)
	}
	return fault.Temporary("change what signer "+b.Signer+" signs with",
		fmt.Errorf("its files lost what dkimbot had written for %s, and it would not sign their mail after a reload", of),
		"'dkimbot repair --domain "+from[0].Domain+"' puts that back first; see who changed the files")
}
