package state

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

type bubble struct{}

func (bubble) Now() time.Time { return time.Now() } // of the test's bubble

// TestLastLook: the whole state is read once a minute, however many ask; what was wrong is looked at again at once,
// and one who can't wait for a slow look is given the verdict of the one before.
func TestLastLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := LastLook{Clock: bubble{}}
		var looks atomic.Int32
		var found error
		var slow time.Duration
		ask := func(patience time.Duration) error {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			slow, found := slow, found // as they are when the look begins
			return l.Verdict(ctx, func(context.Context) error { looks.Add(1); time.Sleep(slow); return found })
		}
		slow = 2 * time.Second
		if err := ask(time.Second); err == nil {
			t.Error("a first look that is not over counts")
		}
		time.Sleep(2 * time.Second)
		for range 3 {
			if err := ask(time.Second); err != nil || looks.Load() != 1 {
				t.Errorf("%v, %d looks", err, looks.Load())
			}
		}
		time.Sleep(time.Minute)
		found = errors.New("damaged")
		if err := ask(time.Second); err != nil {
			t.Errorf("before the second look is over: %v", err)
		}
		time.Sleep(2 * time.Second)
		slow = 0
		if err := ask(time.Second); err == nil || looks.Load() != 3 {
			t.Errorf("what is damaged is not looked at again: %v, %d looks", err, looks.Load())
		}
		found = nil
		if err := ask(time.Second); err != nil || looks.Load() != 4 {
			t.Errorf("when it is right again: %v, %d looks", err, looks.Load())
		}
	})
}
