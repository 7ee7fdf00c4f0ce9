// Package signer holds what the signer adapters below it share: the error that
// says which domains of a batch failed, and how keys are forgotten.
//
// It promises no more than that. It may import the leaves, rotate/finding and rotate/signer/keyfiles. The
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
