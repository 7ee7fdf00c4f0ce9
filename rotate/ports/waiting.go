package ports

import (
	"context"
	"time"
)

// An effect that has begun is finished, also when its caller no longer waits. What only waits beside it need not be:
// for the report of another machine that was asked for something.

type patienceKey struct{}

type hurryKey struct{}

// Patient returns ctx for an effect that outlives patience, and lets what it only waits for end with patience. What is
// part of such an effect has the patience of the whole.
func Patient(ctx, patience context.Context) context.Context {
	if ctx.Value(patienceKey{}) != nil {
		return ctx
	}
	return context.WithValue(ctx, patienceKey{}, patience)
}

// Waiting returns a context for what an effect only waits for: it ends with ctx, or when its caller no longer waits.
func Waiting(ctx context.Context) (context.Context, context.CancelFunc) {
	patience, ok := ctx.Value(patienceKey{}).(context.Context)
	ctx, cancel := context.WithCancelCause(ctx)
	if !ok {
		return ctx, func() { cancel(nil) }
	}
	stop := context.AfterFunc(patience, func() { cancel(context.Cause(patience)) })
	return ctx, func() { stop(); cancel(nil) }
}

// Hurried returns ctx for an effect for which others wait: a signer that leaves a compromised key.
func Hurried(ctx context.Context) context.Context { return WithHurry(ctx, true) }

// WithHurry returns ctx for an effect for which others wait, or do not, whatever ctx was for before.
func WithHurry(ctx context.Context, hurried bool) context.Context {
	return context.WithValue(ctx, hurryKey{}, hurried)
}

// LagOf is how long after Activate a signer has surely changed: hurried, or not.
func LagOf(s Signer, hurried bool) time.Duration {
	if h, ok := s.(Hastener); ok && hurried {
		return h.HurriedLag()
	}
	return s.Lag()
}

// InAHurry reports whether others wait for the effect that ctx is of.
func InAHurry(ctx context.Context) bool { return ctx.Value(hurryKey{}) == true }
