package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/quota"
)

// While a compromised key is in use, a failure stops only the steps that need what failed. If one
// signer does not answer, the others still leave the key now, and its record is still revoked now.

// continues reports whether the run continues after a failure.
func (r *run) continues(ctx context.Context, err error) bool {
	held := (*quota.HeldBack)(nil)
	return r.st.Emergency() && ctx.Err() == nil && r.lease.Holds() == nil && !errors.As(err, &held)
}

// undone returns the error of an emergency in which nothing can be done and nothing comes by itself: it is tried again,
// as what failed is. nil where the plan says when something comes.
func undone(r *run) error {
	next := r.plan.Next
	if r.grant != nil || next != nil && next.Action != codes.ActionRotate ||
		!slices.ContainsFunc(r.plan.Warnings, finding.ReportsExposed) {
		return nil
	}
	r.plan.Warnings = slices.DeleteFunc(r.plan.Warnings, finding.ReportsExposed)
	j := r.judge()
	return j.CantRevoke(j.ExposedKeys()...)
}

// stillCornered returns the revocations that came too early in this run, and do so still. Of a signer whose activation
// failed it may turn out later in the run that it has left the key: then the revocation waits for no other run.
func stillCornered(r *run) []rotate.Step {
	j := r.judge()
	return slices.DeleteFunc(slices.Clone(r.cornered), func(s rotate.Step) bool { return j.MayRevoke(s.Selector) })
}

// unexposed returns the errors of a run, and notes them, without what was said of compromised keys that signers have
// left since.
func unexposed(ctx context.Context, r *run) error {
	left := finding.Without(finding.TheExposure, r.trouble)
	if left == nil || !finding.Concerns(finding.TheExposure, r.trouble) || len(r.judge().ExposedKeys()) > 0 {
		return r.trouble
	}
	r.st.LastError, r.st.Failed = fault.Text(left), rotate.FailureOf(rotate.Step{}, left)
	if r.st.Next != nil {
		next := *r.st.Next
		next.Reason.Message = r.st.LastError
		r.st.Next = &next
	}
	return errors.Join(left, r.save(ctx))
}
