package ports

import (
	"context"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// A CNAME may lead two selectors, mostly of different domains, to one name, which can hold the
// record of one. Each domain knows its own keys only, so it is remembered over all domains
// whose record a name holds.

// NameReader says whose record a name in DNS holds.
type NameReader interface {
	// Holder returns the selector whose record dkimbot keeps at owner, the zero Name when
	// there is none. A domain that was released holds no name, once its record is purged
	// where that was asked for.
	Holder(ctx context.Context, owner string) (dkim.Name, error)
	// Kept returns the holder, or else a selector whose record dkimbot had there, with what is known of its domain: of one
	// that was released, or that the domain had earlier. It returns the zero Name for none.
	Kept(ctx context.Context, owner string) (dkim.Name, rotate.State, error)
}

// Names remembers which selector's record each name in DNS holds.
type Names interface {
	NameReader
	// Claim makes owner the place of name's record, and of no other any more, and returns name. When
	// another selector holds owner, nothing is changed and that one is returned. Of two that
	// claim at the same moment, also from two processes, one gets it.
	Claim(ctx context.Context, owner string, name dkim.Name) (holder dkim.Name, err error)
}

// Unshared looks with look, and refuses a name that holds the record of another selector, also of one that was released
// or given up, as long as its record is there (I2, I3). What dkimbot left of a domain that was purged bars nothing.
func Unshared(look Looker, names NameReader) Looker { return unshared{look, names} }

type unshared struct {
	look  Looker
	names NameReader
}

// Look implements Looker.
func (u unshared) Look(ctx context.Context, name dkim.Name) (rotate.Sight, error) {
	sight, err := u.look.Look(ctx, name)
	if err != nil || sight.Owner == "" {
		return sight, err
	}
	holder, err := u.names.Holder(ctx, sight.Owner)
	if err != nil || holder == name || holder == (dkim.Name{}) && sight.Owner == name.String() {
		return sight, err
	}
	kept, of, err := u.names.Kept(ctx, sight.Owner)
	if err != nil || kept == name || kept == (dkim.Name{}) {
		return sight, err
	}
	sel, role := rotate.SelectorAt(of, kept.Selector), roleOf(of, kept.Selector)
	others := func(v string) bool { return sel == nil || !sel.Ours(v) }
	shows := func(v string) bool { return !dkim.RevokedValue(v) }
	switch values := sight.Values; {
	case holder != (dkim.Name{}):
	case !slices.ContainsFunc(values, func(v string) bool { return !others(v) }),
		role == finding.OfNobody && slices.ContainsFunc(values, others):
		return sight, nil
	case of.Released != nil && role == finding.OfNobody && !slices.ContainsFunc(values, shows):
		sight.Vacated = true
		return sight, nil
	}
	return sight, finding.Shared(name, kept, sight.Owner, sight.DNAME, role)
}

// roleOf returns what a selector is to its domain.
func roleOf(of rotate.State, selector string) finding.Role {
	switch r := of.Released; {
	case r != nil && !r.Purged.IsZero():
		return finding.OfNobody
	case r != nil && !r.Purge:
		return finding.OfReleased
	case of.Selectors[selector] != nil:
		return finding.OfManaged
	case of.Earlier.Emptied(selector):
		return finding.OfNobody
	}
	return finding.OfEarlier
}

// ClaimName asks for the place in DNS at which the record of a name is about to stand, before anything is written
// there. names may be nil: then nothing is asked.
func ClaimName(ctx context.Context, names Names, owner string, name dkim.Name) error {
	if names == nil || owner == "" {
		return nil
	}
	holder, err := names.Claim(ctx, owner, name)
	if err != nil {
		return err
	}
	return Shared(owner, name, holder)
}

// ClaimFree claims the place in DNS at which a name's record stands already, where no selector has claimed it. What
// can't be found out stops nothing; that somebody was faster does.
func ClaimFree(ctx context.Context, names Names, owner string, name dkim.Name) error {
	if names == nil {
		return nil
	}
	if holder, err := names.Holder(ctx, owner); err != nil || holder != (dkim.Name{}) {
		return nil
	}
	return ClaimName(ctx, names, owner, name)
}

// Shared refuses when another selector holds owner, of whatever domain.
func Shared(owner string, name, holder dkim.Name) error {
	if holder == (dkim.Name{}) || holder == name {
		return nil
	}
	return finding.Shared(name, holder, owner, "", finding.OfManaged)
}
