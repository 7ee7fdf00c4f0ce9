package dkim

import (
	"slices"
	"strings"
)

// unfit begins what Unfit returns.
const unfit = "unfit-for-"

// Unfit returns what stands for the id of a key where signatures by it name an algorithm for which it does not fit, so
// that no verifier takes them; "" where it fits, or the algorithm is not known.
func Unfit(key PublicKey, algorithm string) string {
	own := "rsa-sha256"
	if key.Algorithm() == Ed25519 {
		own = "ed25519-sha256"
	}
	if algorithm == own || !slices.Contains([]string{"rsa-sha1", "rsa-sha256", "ed25519-sha256"}, algorithm) {
		return ""
	}
	return unfit + algorithm
}

// UnfitFor returns the algorithm for which a key does not fit by what Unfit returned; "" for the id of a key.
func UnfitFor(keyID string) string {
	algorithm, is := strings.CutPrefix(keyID, unfit)
	if !is {
		return ""
	}
	return algorithm
}

// Fit returns the reference without what Unfit returned: by it the key is meant that stands at the selector.
func (r Ref) Fit() Ref {
	if UnfitFor(r.KeyID) != "" {
		r.KeyID = ""
	}
	return r
}
