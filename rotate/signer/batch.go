package signer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Batch is the keys of one Activate, and what became of them.
type Batch struct {
	Signer  string            // its name in the configuration
	Keys    []dkim.SigningKey // that can be tried still, one for each domain and ordered by it
	Failed  map[string]error  // by domain
	domains map[string]bool   // all that were given
}

// NewBatch takes the keys that have a valid name, and that check, which may be nil, finds nothing wrong with.
func NewBatch(signer string, keys []dkim.SigningKey, check func(dkim.SigningKey) error) *Batch {
	b := &Batch{Signer: signer, Failed: map[string]error{}, domains: map[string]bool{}}
	seen := map[string]dkim.SigningKey{}
	for _, k := range keys {
		b.domains[k.Domain] = true
		err := b.valid(k)
		if err == nil && check != nil {
			err = check(k)
		}
		if err != nil {
			b.Failed[k.Domain] = err
			continue
		}
		if twin, is := seen[k.Domain]; is && twin.Ref() != k.Ref() {
			b.Failed[k.Domain] = fault.Lasting(b.What(k.Name), errors.New("two keys are given for one domain"),
				"report this as a defect")
		}
		seen[k.Domain] = k
	}
	b.Keys = slices.SortedFunc(maps.Values(seen),
		func(x, y dkim.SigningKey) int { return strings.Compare(x.Domain, y.Domain) })
	b.Drop()
	return b
}

// What says what is done for a key.
func (b *Batch) What(n dkim.Name) string { return fmt.Sprintf("activate %s on signer %s", n, b.Signer) }

func (b *Batch) valid(k dkim.SigningKey) error {
	if err := k.Name.Check(); err != nil {
		return fault.Lasting("activate a key on signer "+b.Signer, err,
			"correct the domain or selector in the configuration")
	}
	if k.Key == nil {
		return fault.Lasting(b.What(k.Name), errors.New("there is no private key"), "report this as a defect")
	}
	return nil
}

// Fail notes that a key failed; Drop takes it out.
func (b *Batch) Fail(k dkim.Name, err error) { b.Failed[k.Domain] = err }

// Drop takes the keys out that have failed.
func (b *Batch) Drop() {
	b.Keys = slices.DeleteFunc(b.Keys, func(k dkim.SigningKey) bool { return b.Failed[k.Domain] != nil })
}

// Err returns what failed of the keys that were given, nil for nothing; see Partial.
func (b *Batch) Err() error {
	maps.DeleteFunc(b.Failed, func(domain string, _ error) bool { return !b.domains[domain] })
	return Partial(b.Failed, len(b.domains))
}
