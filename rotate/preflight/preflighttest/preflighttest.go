// Package preflighttest reads answers for tests of what is asked beforehand.
package preflighttest

import (
	"errors"

	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// Wrong returns what the answers say is wrong, joined; nil when nothing is.
func Wrong(answers []preflight.Answer) error {
	var errs []error
	for _, a := range answers {
		errs = append(errs, a.Err)
	}
	return errors.Join(errs...)
}
