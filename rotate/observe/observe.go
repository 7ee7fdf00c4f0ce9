// Package observe asks what there is for a domain: what DNS shows, which keys the keystore holds, what the signers sign
// with. What can't be asked is an error of that part of the observation alone.
package observe

import (
	"context"
	"slices"
	"sync"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// Parts are what is asked. Domain asks them all at once.
type Parts struct {
	Keys  ports.KeyReader
	Look  ports.Looker
	Knows func(signer string) bool // of those that the domain no longer lists, only these are asked
	Ask   func(ctx context.Context, signer string) (rotate.SignerSeen, error)
}

// Domain asks DNS, the keystore and the signers what there is for one domain.
func (p Parts) Domain(ctx context.Context, want rotate.Domain, have rotate.State) rotate.Observation {
	want = health.Managing(want, have)
	var (
		mu   sync.Mutex
		wg   sync.WaitGroup
		seen = rotate.Observation{Selectors: map[string]rotate.SelectorSeen{}, Signers: map[string]rotate.SignerSeen{},
			Dismissed: map[string]rotate.SignerSeen{}, Left: map[string]rotate.RecordSeen{}}
	)
	for _, s := range want.Policy.Selectors {
		wg.Go(func() {
			sel := selector(ctx, dkim.Name{Domain: want.Name, Selector: s}, have.Selector(s), p.Keys, p.Look)
			mu.Lock()
			defer mu.Unlock()
			seen.Selectors[s] = sel
		})
	}
	for _, s := range have.Earlier.Names() {
		if have.Earlier.Emptied(s) {
			continue
		}
		wg.Go(func() {
			name := dkim.Name{Domain: want.Name, Selector: s}
			sight, err := caught(ctx, name, p.Look)
			held, ended := holds(ctx, name, have.Earlier[s].Key, p.Keys)
			mu.Lock()
			defer mu.Unlock()
			seen.Left[s] = rotate.RecordSeen{Sight: sight, Err: err, Lost: s == follow.Meanwhile(have) && !held, Ended: ended}
		})
	}
	signers := func(names []string, into map[string]rotate.SignerSeen) {
		for _, signer := range names {
			wg.Go(func() {
				s := signerSeen(ctx, signer, p.Ask)
				s.Err = finding.WithThing(finding.Thing{Kind: finding.TheSigner, Signer: signer}, s.Err)
				mu.Lock()
				defer mu.Unlock()
				into[signer] = s
			})
		}
	}
	signers(want.Signers, seen.Signers)
	signers(slices.DeleteFunc(rotate.Dismissed(have, want.Signers),
		func(name string) bool { return !p.Knows(name) }), seen.Dismissed)
	wg.Wait()
	for _, name := range elsewhere(have, seen) { // whether mail that is signed there verifies as it is
		sight, err := caught(ctx, dkim.Name{Domain: want.Name, Selector: name}, p.Look)
		seen.Left[name] = rotate.RecordSeen{Sight: sight, Err: err}
	}
	return seen
}

// signerSeen asks a signer.
func signerSeen(ctx context.Context, signer string,
	ask func(context.Context, string) (rotate.SignerSeen, error)) (seen rotate.SignerSeen) {
	defer fault.Caught("ask signer "+signer, &seen.Err)
	seen, err := ask(ctx, signer)
	seen.Err = err
	return seen
}

// selector asks DNS and the keystore for a selector.
func selector(ctx context.Context, name dkim.Name, sel rotate.Selector, keys ports.KeyReader,
	look ports.Looker) (seen rotate.SelectorSeen) {
	seen.Sight, seen.SightErr = caught(ctx, name, look)
	privateKey(ctx, name, sel, keys, &seen)
	seen.KeyErr = finding.WithThing(finding.Thing{Kind: finding.TheKey, Selector: name.Selector}, seen.KeyErr)
	return seen
}

// caught asks DNS for a selector's record, whatever the part that does so comes to.
func caught(ctx context.Context, name dkim.Name, look ports.Looker) (sight rotate.Sight, err error) {
	defer fault.Caught("look up "+name.String(), &err)
	return Record(ctx, name, look)
}

// Record asks DNS for a selector's record.
func Record(ctx context.Context, name dkim.Name, look ports.Looker) (rotate.Sight, error) {
	sight, err := look.Look(ctx, name)
	return sight, finding.WithThing(finding.Thing{Kind: finding.TheRecord, Selector: name.Selector}, err)
}

// privateKey asks the keystore which key is the newest, and whether it has the one that is meant.
func privateKey(ctx context.Context, name dkim.Name, sel rotate.Selector, keys ports.KeyReader,
	seen *rotate.SelectorSeen) {
	defer fault.Caught("read the private key for "+name.String(), &seen.KeyErr)
	meant := sel.Wanted()
	key, version, err := keys.Get(ctx, name, 0)
	seen.Version, seen.KeyID, seen.KeyErr = version, key.ID(), err
	if sel.Next != nil && !sel.Key.Gone && err == nil {
		old, _, failed := keys.Get(ctx, name, sel.Key.Version)
		seen.OldKept = failed == nil && old.ID() == sel.Key.ID
	}
	if err != nil || meant == nil || meant.ID == seen.KeyID || meant.Version == version || meant.Version == 0 {
		return
	}
	key, _, seen.KeyErr = keys.Get(ctx, name, meant.Version)
	seen.Kept = key.ID() == meant.ID
}

// holds reports whether the keystore has a key, at its own version or as the newest, or does not say; and, where it has
// not, whether it had: its version or a later one was there.
func holds(ctx context.Context, name dkim.Name, meant *rotate.Key, keys ports.KeyReader) (held, ended bool) {
	if meant == nil {
		return true, false
	}
	var seen rotate.SelectorSeen
	privateKey(ctx, name, rotate.Selector{Key: meant}, keys, &seen)
	held = seen.KeyErr != nil || seen.Kept || seen.KeyID == meant.ID
	return held, !held && meant.Version > 0 && seen.Version >= meant.Version
}

// Lost reports whether the keystore was seen not to hold the key whose record stands
// at a selector: the record continues to serve mail in flight and signers' copies.
func Lost(sel rotate.Selector, seen rotate.SelectorSeen) bool {
	return sel.Next == nil && seen.KeyErr == nil && seen.KeyID != sel.Key.ID && !seen.Kept
}
