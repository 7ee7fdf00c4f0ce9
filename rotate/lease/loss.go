package lease

import (
	"context"
	"errors"
	"slices"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// LossOnce returns err with the loss of the lease reported once, and nothing of the work
// that was ended for it.
func LossOnce(err error) error {
	rest := BesideLoss(err)
	for {
		several, joined := err.(interface{ Unwrap() []error })
		if !joined {
			break
		}
		all := several.Unwrap()
		err = all[slices.IndexFunc(all, func(e error) bool { return fault.CodeOf(e) == codes.LeaseLost })]
	}
	if rest == nil {
		return err
	}
	return errors.Join(err, rest)
}

// BesideLoss returns what err says beside the loss of the lease. How that is noticed
// differs: by a renewal, by a write, by the time, or by a call that was ended for it.
func BesideLoss(err error) error {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		var rest []error
		for _, e := range several.Unwrap() {
			rest = append(rest, BesideLoss(e))
		}
		return errors.Join(rest...)
	}
	if fault.CodeOf(err) == codes.LeaseLost || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
