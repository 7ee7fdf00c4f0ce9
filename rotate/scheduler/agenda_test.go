package scheduler

import (
	"errors"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/hasten"
)

// TestDrop: when a domain is taken again, if the queue says at once.
func TestDrop(t *testing.T) {
	began := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now, failed := began.Add(10*time.Second), errors.New("it failed")
	for name, tt := range map[string]struct {
		next  *rotate.Next
		err   error
		after time.Duration // since now
	}{
		"nothing is said":                   {nil, nil, longestNap},
		"said to be due before it was done": {&rotate.Next{At: began}, nil, longestNap},
		"the wait passed meanwhile":         {&rotate.Next{At: began.Add(time.Second)}, nil, 0},
		"a wait lies ahead":                 {&rotate.Next{At: now.Add(time.Minute)}, nil, 0}, // as the queue has it
		"failed, nothing is said":           {nil, failed, hasten.Backoff(1)},
		"failed, and the wait passed":       {&rotate.Next{At: began.Add(time.Second)}, failed, hasten.Backoff(1)},
		"failed, and the wait is longer":    {&rotate.Next{At: now.Add(time.Hour)}, failed, time.Hour},
	} {
		a := newAgenda([]rotate.Domain{{Name: "example.com"}})
		if taken := a.take(began, []string{"example.com"}); len(taken) != 1 {
			t.Fatalf("%s: took %v", name, taken)
		}
		a.drop(began, now, engine.Result{Domain: "example.com", State: rotate.State{Next: tt.next}, Err: tt.err})
		if tt.after > 0 && len(a.take(now.Add(tt.after-1), []string{"example.com"})) > 0 {
			t.Errorf("%s: taken before %s", name, tt.after)
		}
		if len(a.take(now.Add(tt.after), []string{"example.com"})) != 1 {
			t.Errorf("%s: not taken after %s", name, tt.after)
		}
	}
}

// TestDropInAnEmergency: a daemon's own count of failures puts off no try that the state says comes soon, because mail
// fails or a compromised key is in use.
func TestDropInAnEmergency(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for code, most := range map[codes.Code]time.Duration{codes.MailFails: 2 * time.Minute, codes.SignerSilent: time.Hour} {
		a, res := newAgenda([]rotate.Domain{{Name: "example.com"}}), engine.Result{Domain: "example.com", Err: errors.New("no")}
		res.State.Drift = []finding.Finding{{Code: code, Selector: "s1"}}
		began := now
		for at := now; len(a.take(at, []string{"example.com"})) == 1 && a.again["example.com"] < 10; {
			began = at
			res.State.Next = &rotate.Next{Action: codes.ActionRetry, At: began.Add(time.Minute)}
			at = a.drop(began, began, res)
		}
		if got := a.after["example.com"].Sub(began); got != most || a.again["example.com"] != 10 {
			t.Errorf("%s: after %d failures taken again in %s, want %s", code, a.again["example.com"], got, most)
		}
	}
}
