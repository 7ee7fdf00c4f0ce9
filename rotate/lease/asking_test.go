package lease_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/lease"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/state/statetest"
)

// bubble is the clock of a synctest bubble.
type bubble struct{}

func (bubble) Now() time.Time         { return time.Now() }
func (bubble) Elapsed() time.Duration { return time.Since(time.Unix(0, 0)) }
func (bubble) Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestAsking: while its owner asks, a lease passes to a report of a compromised key, and to nothing else; before and
// after, it passes to no other process, also where the question ends in a panic (I8).
func TestAsking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := statetest.NewMemory()
		keeper := func(owner string) *lease.Keeper {
			return &lease.Keeper{Store: store, Clock: bubble{}, Owner: owner, Pause: bubble{}.Sleep}
		}
		d := rotate.Domain{Name: "example.com", VerifyTimeout: time.Minute}
		report := rotate.Request{Instruction: rotate.Compromised{}}
		takes := func(as rotate.Request) bool {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			held, err := keeper("second").Take(ctx, d.Name, lease.For(d, as))
			if err == nil {
				held.Release(t.Context())
			}
			return err == nil
		}
		first, err := keeper("first").Take(t.Context(), d.Name, lease.For(d, rotate.Request{}))
		if err != nil {
			t.Fatal(err)
		}
		if takes(report) {
			t.Fatal("it was taken from who works")
		}
		errNo := errors.New("no")
		if err := first.Asking(t.Context(), func(context.Context) error {
			if takes(rotate.Request{Named: true}) {
				t.Error("it was taken for no report")
			}
			return errNo
		}); err != errNo {
			t.Errorf("the answer is %v", err)
		}
		func() {
			defer func() { _ = recover() }()
			_ = first.Asking(t.Context(), func(context.Context) error { panic("a defect") })
		}()
		time.Sleep(ports.LeaseLength)
		if takes(report) || first.Holds() != nil {
			t.Errorf("it was taken after the answer; %v", first.Holds())
		}
		ended := false
		err = first.Asking(t.Context(), func(ctx context.Context) error {
			if !takes(report) {
				t.Error("it was not taken for a report")
			}
			select {
			case <-ctx.Done():
				ended = true
			case <-time.After(time.Minute):
			}
			return nil
		})
		if fault.CodeOf(err) != codes.LeaseLost || !ended || first.Holds() == nil {
			t.Errorf("after the loss: %v; ended early: %t", err, ended)
		}
		first.Release(t.Context())
	})
}
