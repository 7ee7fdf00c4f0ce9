package preflight_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
)

func well(context.Context) error { return nil }

// said writes answers in one line each.
func said(answers []preflight.Answer) (out []string) {
	for _, a := range answers {
		line := fmt.Sprint(a.Kind, " ", a.Name, " ", a.What, " ", a.Domains)
		switch {
		case a.Unasked:
			line += " unasked"
		case a.Err != nil:
			line += " " + a.Err.Error()
		}
		out = append(out, line)
	}
	return out
}

// TestSilentPartHoldsUpNoOther: a part that never answers is reported as such, the others are asked all the same, and
// the order is that of the questions.
func TestSilentPartHoldsUpNoOther(t *testing.T) {
	synctest.Test(t, testSilentPart) // no time passes for those that answer
}

func testSilentPart(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	parts := []preflight.Part{
		{Kind: "signer", Name: "mx1", Questions: []preflight.Question{
			{What: "socket", Ask: func(context.Context) error { <-release; return nil }}, // heeds no context
			{What: "mail", Needs: "socket", Ask: well},
			{What: "tables", Ask: well},
		}},
		{Kind: "keystore", Name: "k", Questions: []preflight.Question{
			{What: "panics", Ask: func(context.Context) error { panic("at the disco") }},
		}},
	}
	answers := preflight.Ask(t.Context(), parts, preflight.Limits{Parallel: 2, Each: 50 * time.Millisecond})
	want := []string{"signer mx1 socket [] check socket of signer mx1: no answer within 50ms",
		"signer mx1 mail [] unasked",
		"signer mx1 tables []", "keystore k panics [] check panics of keystore k: internal error: at the disco"}
	if d := cmp.Diff(want, said(answers)); d != "" {
		t.Error(d)
	}
	if err := answers[0].Err; fault.CodeOf(err) != codes.Unanswered || fault.KindOf(err) != fault.Transient {
		t.Errorf("code %q, kind %v", fault.CodeOf(err), fault.KindOf(err))
	}
	faulttest.Shown(t, answers[0].Err)
	faulttest.Shown(t, answers[3].Err)
}

// TestInterrupted: Ctrl-C ends the asking, whatever a part does.
func TestInterrupted(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	ctx, cancel := context.WithCancel(t.Context())
	begun := make(chan struct{})
	go func() { <-begun; cancel() }()
	q := preflight.Question{What: "x", Ask: func(context.Context) error { close(begun); <-release; return nil }}
	answers := preflight.Ask(ctx, []preflight.Part{{Questions: []preflight.Question{q, {What: "y", Ask: well}}}},
		preflight.Limits{Parallel: 1, Each: time.Hour})
	if len(answers) != 2 || !errors.Is(answers[0].Err, context.Canceled) {
		t.Errorf("%v", said(answers))
	}
}

// TestWithin: a part whose settings let an answer take longer than usual is not given up before that.
func TestWithin(t *testing.T) {
	slow := func(within time.Duration) preflight.Question {
		return preflight.Question{What: within.String(), Within: within, Ask: func(context.Context) error {
			time.Sleep(100 * time.Millisecond) // also when it is given up
			return nil
		}}
	}
	synctest.Test(t, func(t *testing.T) {
		answers := preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Name: "mx1",
			Questions: []preflight.Question{slow(0), slow(time.Millisecond), slow(time.Minute)}}},
			preflight.Limits{Parallel: 3, Each: 50 * time.Millisecond})
		if answers[0].Err == nil || answers[1].Err == nil || answers[2].Err != nil {
			t.Errorf("%v", said(answers))
		}
	})
}

// TestByDomain: domains that fail are told apart from those that don't, once for each reason.
func TestByDomain(t *testing.T) {
	q := preflight.Question{What: "rights", Domains: []string{"a", "b", "c", "d"}, Ask: func(context.Context) error {
		return preflight.Failed{"b": errors.New("no"), "c": errors.New("never"), "d": errors.New("no")}.OrNil()
	}}
	answers := preflight.Ask(t.Context(),
		[]preflight.Part{{Kind: "keystore", Name: "k", Questions: []preflight.Question{q}}},
		preflight.Usual)
	want := []string{"keystore k rights [a]", "keystore k rights [b d] no", "keystore k rights [c] never"}
	if d := cmp.Diff(want, said(answers)); d != "" {
		t.Error(d)
	}
	if err := preflighttest.Wrong(answers); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Error(err)
	}
}

// TestSaidOnce: what two questions of a part fail for alike is reported once.
func TestSaidOnce(t *testing.T) {
	fails := func(context.Context) error { return errors.New("no") }
	answers := preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Name: "s", Questions: []preflight.Question{
		{What: "x", Ask: fails}, {What: "y", Ask: fails}}}}, preflight.Usual)
	if d := cmp.Diff([]string{"signer s x [] no", "signer s y [] unasked"}, said(answers)); d != "" {
		t.Error(d)
	}
}

func TestWords(t *testing.T) {
	of := []preflight.Subject{{Name: dkim.Name{Domain: "b.test"}}, {Name: dkim.Name{Domain: "a.test"}},
		{Name: dkim.Name{Domain: "b.test"}}}
	if d := cmp.Diff([]string{"a.test", "b.test"}, preflight.Domains(of)); d != "" {
		t.Error(d)
	}
	if err := (preflight.Failed{"b": errors.New("x"),
		"a": errors.New("y")}); err.Error() != "2 of the domains failed: y; x" {
		t.Error(err)
	}
	if err := preflight.Command("run it", []string{"true"}, "reload"); err != nil {
		t.Error(err)
	}
	err := preflight.Command("run it", []string{"dkimbot-no-such-program"}, "reload")
	faulttest.Shown(t, err)
	if fault.CodeOf(preflight.Coded(codes.NotAllowed, err)) != codes.CommandMissing {
		t.Error("a code was replaced")
	}
}

// TestItsCommandEnds: a question whose time is over is given a moment, so that the command that it runs is ended before the
// program is; else the command would live on.
func TestItsCommandEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := false
		part := preflight.Part{Kind: "signer", Name: "hook", Questions: []preflight.Question{{What: "answers",
			Ask: func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(50 * time.Millisecond) // what it takes to end a program
				ended = true
				return ctx.Err()
			}}}}
		preflight.Ask(t.Context(), []preflight.Part{part}, preflight.Limits{Parallel: 1, Each: time.Second})
		if !ended {
			t.Error("it is not waited for")
		}
	})
}
