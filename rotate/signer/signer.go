// Package signer says what a signer adapter is and how it is configured (Signer, Driver, Settings), and holds what the
// adapters below it share: the keys of one switch and what became of each (Batch, PartialError), what a host signs with
// (Signing), keys of other domains that a reload must not lose (Others), how keys are forgotten, and secrets in Vault.
//
// It may import the leaves, rotate/finding and rotate/signer/keyfiles. The
// adapters don't import one another, but for dkimpy, which finds tables like those of opendkim.
package signer

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// PartialError says that some domains of a batch failed; those it does not
// name succeeded. The engine finds it through FailedDomains, so that one
// failing domain never holds up another. It is immutable once returned.
type PartialError struct {
	Failed map[string]error // by domain; never empty
}

// FailedDomains returns the failures by domain.
func (e *PartialError) FailedDomains() map[string]error { return e.Failed }

// maxNamed is how many failures the text spells out; the rest is counted.
const maxNamed = 3

// Error names the first failures, in the order of their domains.
func (e *PartialError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of the domains failed", len(e.Failed))
	for i, err := range e.Unwrap() {
		if i == maxNamed {
			fmt.Fprintf(&b, "; and %d more", len(e.Failed)-maxNamed)
			break
		}
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		b.WriteString(sep + err.Error())
	}
	return b.String()
}

// Unwrap returns the failures in the order of their domains, so that kind,
// code and hint of the first can be found.
func (e *PartialError) Unwrap() []error {
	errs := make([]error, 0, len(e.Failed))
	for _, domain := range slices.Sorted(maps.Keys(e.Failed)) {
		errs = append(errs, e.Failed[domain])
	}
	return errs
}

// Partial turns the failures of a batch of n domains into an error: nil for
// none, the failure itself when the batch was one domain, else a *PartialError.
func Partial(failed map[string]error, n int) error {
	switch {
	case len(failed) == 0:
		return nil
	case n == 1:
		for _, err := range failed {
			return err
		}
	}
	return &PartialError{Failed: failed}
}
