// Package algorithm says of which kind keys are, and are to be, when the policy names another one than they have. It is
// pure, and imports dkim, health and rotate.
package algorithm

import (
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// Next returns the kind of a key that is made now: as the policy says, unless a signer could not use it after
// the one that signs now.
func Next(h *health.Check) dkim.Algorithm {
	if len(Unmixed(h)) == 0 {
		return h.Want.Policy.Key
	}
	now := lastKind(h.Have.Selector(h.Have.Active))
	for _, name := range Unmixed(h) { // before the first switch a key may have been adopted that signers use already
		if ref := h.Seen.Signers[name].Ref; now == "" {
			now = lastKind(h.Have.Selector(ref.Selector))
		}
	}
	if from := h.Have.Origin; h.Have.Active == "" && from != nil { // signers leave the keys of other selectors
		for _, name := range append([]string{from.Active}, from.Pair[:]...) {
			if sel := h.Have.Earlier[name]; sel != nil && now == "" {
				now = lastKind(*sel)
			}
		}
	}
	if now == "" || IsRSA(now) == IsRSA(h.Want.Policy.Key) {
		return h.Want.Policy.Key
	}
	if IsRSA(now) {
		return dkim.RSA2048
	}
	return dkim.Ed25519
}

// Unfit reports whether a signer could not use the selector's key after the one that signs now: it would turn mail
// away (I1).
func Unfit(h *health.Check, s string) bool {
	if len(Unmixed(h)) == 0 {
		return false
	}
	now, next := lastKind(h.Have.Selector(h.Have.Active)), At(h.Have.Selector(s))
	return now != "" && next != "" && IsRSA(now) != IsRSA(next)
}

// Unmixed returns the signers of the domain that sign with one algorithm, whatever the key is. Where RSA keys are asked
// for, one that signs with nothing and never came to a key of the domain is not among them: nothing says that it could
// sign with the present kind, and RSA is what all can do.
func Unmixed(h *health.Check) (names []string) {
	for _, name := range h.Want.Signers {
		_, came := h.Have.Signers[name]
		if h.Seen.Unmixed[name] && (came || !h.Unsigned(name) || !IsRSA(h.Want.Policy.Key)) {
			names = append(names, name)
		}
	}
	return names
}

// At returns the kind of the key that a selector has, or is about to have; "" for none.
func At(sel rotate.Selector) dkim.Algorithm {
	key := sel.Wanted()
	if key == nil {
		return ""
	}
	return dkim.RecordAlgorithm(key.Record)
}

// lastKind returns the kind of the key at a selector that signers may sign with. Of one that was revoked the record
// says no more than whether it was an RSA key.
func lastKind(sel rotate.Selector) dkim.Algorithm {
	key, kind := sel.Wanted(), At(sel)
	if key == nil || kind != "" {
		return kind
	}
	switch r, err := dkim.ParseRecord(key.Record); {
	case err != nil:
		return ""
	case r.KeyType == "ed25519":
		return dkim.Ed25519
	}
	return dkim.RSA2048
}

// IsRSA reports whether keys are of that kind.
func IsRSA(kind dkim.Algorithm) bool { return kind != dkim.Ed25519 }
