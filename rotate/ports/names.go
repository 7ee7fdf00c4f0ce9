package ports

import (
	"context"
	"fmt"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
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
}

// Names remembers which selector's record each name in DNS holds.
type Names interface {
	NameReader
	// Claim makes owner the place of name's record, and of no other any more, and returns name. When
	// another selector holds owner, nothing is changed and that one is returned. Of two that
	// claim at the same moment, also from two processes, one gets it.
	Claim(ctx context.Context, owner string, name dkim.Name) (holder dkim.Name, err error)
}

// Unshared looks with look, and refuses a name that holds the record of another selector (I2, I3).
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
	if err == nil {
		err = Shared(sight.Owner, name, holder)
	}
	return sight, err
}

// ClaimName asks for the place in DNS at which the record of a name is about to stand, before anything is written
// there. names may be nil: then nobody is asked.
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

// Shared refuses when another selector holds owner, of whatever domain.
func Shared(owner string, name, holder dkim.Name) error {
	switch {
	case holder == (dkim.Name{}) || holder == name:
		return nil
	case holder.Domain == name.Domain:
		return finding.Twin(name, holder, owner)
	}
	return fault.Refuse(codes.SharedName,
		fmt.Sprintf("%s and %s both lead to %s, which can hold one key record only, that of %s", name, holder, owner,
			holder.Domain),
		fmt.Sprintf("give %s a name or a CNAME target of its own; "+
			"or, if %s needs no key any more, let dkimbot clear its records away: 'dkimbot release --domain %s --purge'. "+
			"The name is free when that is done; 'dkimbot status --domain %s' says when it will be", name,
			holder.Domain, holder.Domain, holder.Domain))
}
