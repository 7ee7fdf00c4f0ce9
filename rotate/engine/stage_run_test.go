package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// exposed is what is said of s1's compromised key while signers use it.
func exposed() error {
	return finding.WithThing(finding.Exposure([]string{"s1"}), fault.Temporary("revoke the key at s1", nil, "wait"))
}

// warned has the plan warn of that, and of something else.
func warned(r *run) {
	r.plan.Warnings = []finding.Warning{{Message: "exposed", About: finding.Exposure([]string{"s1"})}, {Message: "other"}}
}

// TestUndone: an emergency in which nothing can be done and nothing comes by itself ends with an error, which
// the plan does not warn of as well; not where something comes, nor where a plan is applied, which is not tried
// again.
func TestUndone(t *testing.T) {
	for title, tt := range map[string]struct {
		next   *rotate.Next
		grant  *approval.Grant
		quiet  bool // no warning
		undone bool
	}{
		"nothing comes":     {nil, nil, false, true},
		"the next rotation": {&rotate.Next{Action: codes.ActionRotate}, nil, false, true},
		"a switch comes":    {&rotate.Next{Action: rotate.Activate}, nil, false, false},
		"a plan is applied": {nil, approval.NewGrant(approval.Approval{}), false, false},
		"nothing is wrong":  {nil, nil, true, false},
	} {
		s := onStage(t, flight())
		if s.r.plan.Next, s.r.grant = tt.next, tt.grant; !tt.quiet {
			warned(s.r)
		}
		before := len(s.r.plan.Warnings)
		err := undone(s.r)
		if (err != nil) != tt.undone || err != nil && !finding.Concerns(finding.TheExposure, err) {
			t.Errorf("%s: %v", title, err)
		}
		if left := finding.Texts(s.r.plan.Warnings); tt.undone && !slices.Equal(left, []string{"other"}) ||
			!tt.undone && len(left) != before {
			t.Errorf("%s: it warns of %q", title, left)
		}
	}
}

// TestUnexposed: when signers have left a compromised key later in a run, neither the run nor the state says
// any longer that they could not; what else failed is said. While they use it, all is said.
func TestUnexposed(t *testing.T) {
	for title, tt := range map[string]struct {
		scene   func() *plantest.Scene
		trouble error
		next    bool
		left    bool
	}{
		"left, and something else failed":     {plantest.Ready, errors.Join(exposed(), errTest), true, true},
		"the same, and nothing comes next":    {plantest.Ready, errors.Join(exposed(), errTest), false, true},
		"left, and nothing else failed":       {plantest.Ready, exposed(), true, false},
		"nothing was said of it":              {plantest.Ready, errTest, true, false},
		"in use":                              {flight, errors.Join(exposed(), errTest), true, false},
		"in use, and nothing was said of it":  {flight, errTest, true, false},
		"in use, and nothing else was failed": {flight, exposed(), true, false},
	} {
		t.Run(title, func(t *testing.T) {
			s := onStage(t, tt.scene())
			s.r.trouble, s.r.st.LastError = tt.trouble, "what failed"
			retry := &rotate.Next{Action: codes.ActionRetry, Reason: rotate.Reason{Message: "what failed"}}
			if tt.next {
				s.r.st.Next, s.r.retry = retry, retry
			}
			err := unexposed(t.Context(), s.r)
			says := "what failed"
			if tt.left {
				says = fault.Text(errTest)
			}
			if finding.Concerns(finding.TheExposure, err) != (!tt.left && finding.Concerns(finding.TheExposure, tt.trouble)) ||
				err == nil || (len(s.saved) > 0) != tt.left || s.r.st.LastError != says {
				t.Errorf("%v; the state says %q, written %d times", err, s.r.st.LastError, len(s.saved))
			}
			if tt.next && (s.r.st.Next.Reason.Message != says || retry.Reason.Message != "what failed") {
				t.Errorf("next is %+v", s.r.st.Next)
			}
		})
	}
}

// TestStopped: where something failed in an emergency, the error says which key is in use and how it is revoked
// now, and the plan does not warn of the same; where the plan says when signers leave it, that is what is said.
func TestStopped(t *testing.T) {
	for title, leaves := range map[string]bool{"nothing comes": false, "signers leave it later": true} {
		s := onStage(t, flight())
		s.r.trouble = errTest
		if warned(s.r); leaves {
			s.r.plan.Steps = []rotate.Step{{Kind: rotate.Activate, Selector: "s2", Signer: "mx1", Duty: rotate.Revocation,
				NotBefore: s.Now.Add(time.Hour)}}
		}
		err := s.r.stopped(t.Context())
		if !errors.Is(err, errTest) || strings.Contains(fault.HintOf(err)+err.Error(), "s1") == leaves {
			t.Errorf("%s: %v", title, err)
		}
		if left := finding.Texts(s.r.plan.Warnings); slices.Contains(left, "exposed") != leaves ||
			!slices.Contains(left, "other") {
			t.Errorf("%s: it warns of %q", title, left)
		}
	}
}

// begun returns which steps were begun, and became what.
func (s *stage) begun(outcome codes.Outcome) (out []string) {
	for _, e := range s.said {
		if e.Outcome == outcome {
			out = append(out, string(e.Kind)+" "+e.Selector)
		}
	}
	return out
}

// TestStepsInFlight: revocations that came before any signer had left the key come after the next switch, all
// of them.
func TestStepsInFlight(t *testing.T) {
	s := onStage(t, flight())
	_ = s.r.steps(t.Context(), []rotate.Step{{Kind: rotate.Revoke, Selector: "s1", Duty: rotate.Revocation},
		{Kind: rotate.Revoke, Selector: "s1", Duty: rotate.Revocation},
		{Kind: rotate.Activate, Selector: "s2", Signer: "mx1", Duty: rotate.Revocation}})
	if got := s.begun(codes.OutcomeBegun); len(got) == 0 || got[0] != "activate s2" {
		t.Errorf("in this order: %q", got)
	}
}

// TestStepsEnd: after a run was asked to end no step begins.
func TestStepsEnd(t *testing.T) {
	s := onStage(t, plantest.Ready())
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err := s.r.steps(ended, []rotate.Step{{Kind: rotate.Publish, Selector: "s2"}})
	if !errors.Is(err, context.Canceled) || len(s.said)+len(s.saved)+len(s.written) > 0 {
		t.Errorf("%v; %d records written, said %+v", err, len(s.written), s.said)
	}
}

// TestNeedlessIsDone: of a plan that is applied, a step for which nothing was left to do is not left.
func TestNeedlessIsDone(t *testing.T) {
	s := onStage(t, plantest.Ready())
	revoke := rotate.Step{Kind: rotate.Revoke, Selector: "s1"}
	s.r.grant = approval.NewGrant(approval.Approval{PlanID: "p1", Steps: []rotate.Step{revoke}})
	if err := s.r.steps(t.Context(), []rotate.Step{revoke}); err != nil || len(s.r.grant.Left()) > 0 {
		t.Errorf("%v; left are %+v", err, s.r.grant.Left())
	}
}

// TestAccountFails: where signers rely on a record that an account refused, that is a failure still, which is
// noted and tried again.
func TestAccountFails(t *testing.T) {
	s := onStage(t, flight())
	s.r.want.Also = []string{"other"}
	s.refused = errTest
	err := s.r.steps(t.Context(), []rotate.Step{{Kind: rotate.Publish, Selector: "s2"}})
	if !errors.Is(err, errTest) || s.r.st.Failures != 1 || s.r.st.NextTry.IsZero() || len(s.r.broken) > 0 {
		t.Errorf("%v; %d failures, next try %s", err, s.r.st.Failures, s.r.st.NextTry)
	}
}

// TestSaidOnce: that signers still use a compromised key is an error once in a run; those who watch hear of
// each attempt. A revocation that came too early is tried again in the run, and any other step that failed is
// not.
func TestSaidOnce(t *testing.T) {
	revoke := rotate.Step{Kind: rotate.Revoke, Selector: "s1", Duty: rotate.Revocation}
	publish := rotate.Step{Kind: rotate.Publish, Selector: "s1"}
	for title, tt := range map[string]struct {
		step   rotate.Step
		before bool
		fails  bool
	}{"at first": {revoke, false, true}, "once more": {revoke, true, false}, "a publication": {publish, true, true}} {
		s := onStage(t, flight())
		if s.refused = errTest; tt.before {
			s.r.trouble = s.r.judge().CantRevoke("s1")
		}
		err := s.r.steps(t.Context(), []rotate.Step{tt.step})
		if (err != nil) != tt.fails || (s.r.st.Failures > 0) != tt.fails || len(s.begun(codes.OutcomeFailed)) != 1 {
			t.Errorf("%s: %v; %d failures, said %+v", title, err, s.r.st.Failures, s.said)
		}
		if revokes := tt.step.Kind == rotate.Revoke; (len(s.r.cornered) > 0) != revokes || (len(s.r.broken) > 0) == revokes {
			t.Errorf("%s: tried again are %+v, not tried again %+v", title, s.r.cornered, s.r.broken)
		}
	}
}

// TestFailureIsNotedEachTime: the history has each failed attempt of a step, and once why nothing can be done
// at all.
func TestFailureIsNotedEachTime(t *testing.T) {
	for title, step := range map[string]rotate.Step{"a step": {Kind: rotate.Publish, Selector: "s1"}, "none": {}} {
		s := onStage(t, plantest.Ready())
		s.r.st.Failures, s.r.st.Failed = 1, rotate.FailureOf(step, errTest)
		s.r.stored = rotate.CopyState(s.r.st)
		_ = s.r.fail(t.Context(), step, errTest)
		noted := slices.ContainsFunc(s.events, func(e rotate.Event) bool { return e.Outcome == codes.OutcomeFailed })
		if noted != (step.Kind != "") || len(s.saved) != 1 {
			t.Errorf("%s: %+v", title, s.events)
		}
	}
}

// TestPrepare: a run that completes a switch at its first look does what was ordered too; while the
// lease is not held no switch is brought forward (I8).
func TestPrepare(t *testing.T) {
	scene := plantest.Switching()
	scene.Sign("s2", "mx1", "mx2")
	s := onStage(t, scene)
	s.r.left.Instruction = rotate.Hold{}
	if err := s.r.prepare(t.Context()); err != nil || s.r.st.Phase != rotate.Draining || s.r.st.OnHold == nil {
		t.Errorf("%v; phase %s, on hold: %+v", err, s.r.st.Phase, s.r.st.OnHold)
	}
	for _, held := range []bool{true, false} {
		scene := plantest.Draining()
		plantest.Leak("s1")(scene)
		key := scene.Have.Selectors["s1"].Key
		key.RevokedAt, key.Record = scene.Now, dkim.RevokedRecord(key.Record)
		scene.Show("s1", key.Record)
		scene.ConfirmedAt("mx1", scene.Now.Add(time.Hour))
		s := onStage(t, scene)
		if !held {
			s.r.lease.Lose(errTest)
		}
		_ = s.r.prepare(t.Context())
		if got := s.signer("mx1").hastens > 0; got != held {
			t.Errorf("the lease is held: %t; the switch was brought forward: %t", held, got)
		}
	}
}

// TestGlimpsedAtFirst: what the first look of a run shows of somebody else's is kept for the next run where it
// can't be written (I2).
func TestGlimpsedAtFirst(t *testing.T) {
	scene := plantest.Ready()
	scene.Show("s2", own(1), plantest.ForeignRecord)
	s := onStage(t, scene)
	s.unsaved = errTest
	_ = s.r.prepare(t.Context())
	s.r.st = rotate.CopyState(s.r.stored)
	passing{s.r}.recall()
	if at := s.r.st.Selectors["s2"].Key.VerifiedAt; !at.IsZero() {
		t.Errorf("the record counts as seen alone since %s", at)
	}
}
