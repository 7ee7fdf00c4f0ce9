package signer

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// UnknownKey stands for the id of a key that signs and that is in no file where it was looked for: it is none of those
// that dkimbot gave to this signer.
const UnknownKey = "unknown"

// Unidentified reports whether what stands for the id of a key that signs says of no key that it is the one: it is
// UnknownKey, or what dkim.Unfit returns.
func Unidentified(keyID string) bool { return keyID == UnknownKey || dkim.UnfitFor(keyID) != "" }

// Signing asks signs what each of the domains is signed with, one after the other, for the signer of that name. One
// without a key id is left out of active; one that can't be read is in failed, by domain, and stops no other. When ctx
// ends, that is the error.
func Signing(ctx context.Context, name string, domains []string,
	signs func(domain string) (dkim.Ref, error)) (active map[string]dkim.Ref, failed map[string]error, err error) {
	active, failed = map[string]dkim.Ref{}, map[string]error{}
	for _, domain := range domains {
		if ctx.Err() != nil {
			return nil, nil, fault.Interrupted("read what signer "+name+" signs with", context.Cause(ctx))
		}
		ref, err := signs(domain)
		switch {
		case err != nil:
			failed[domain] = err
		case ref.KeyID != "":
			active[domain] = ref
		}
	}
	return active, failed, nil
}
