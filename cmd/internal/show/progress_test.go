package show_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
)

func TestFinishedSteps(t *testing.T) {
	wantText(t, written(func(x show.Text) {
		x.Finished(rotate.Event{Domain: "example.com", Kind: rotate.Activate, Selector: "s1", Signer: "mx1",
			Outcome: "begun"})
		x.Finished(rotate.Event{Domain: "example.com", Kind: rotate.Activate, Selector: "s1", Signer: "mx1",
			Outcome: "done", KeyID: "0123456789abcdef"})
		x.Finished(rotate.Event{Domain: "example.com", Kind: rotate.Publish, Selector: "s1",
			Outcome: "failed", Message: "one\ntwo"})
		x.Finished(rotate.Event{Domain: "example.com", Kind: rotate.Revoke, Selector: "s1", Outcome: "skipped",
			Message: "the key was revoked already"})
		x.Finished(rotate.Event{Domain: "example.com", Outcome: "refused", Message: "the record is not ours"})
		x.Waiting("example.com", rotate.Next{Action: "replace", Selector: "s1", At: now,
			Reason: rotate.Reason{Message: "mail is in flight"}})
	}), `
example.com  s1: signer mx1 signs with it now (key 0123456789ab)
example.com  publish s1 failed: one | two
example.com  revoke s1 skipped: the key was revoked already
example.com  plan refused: the record is not ours
example.com  waiting until 04:00:00 UTC to replace the key of s1: mail is in flight
`)
}

// The line says how many domains are done, what takes longest and how long still.
func TestProgressLine(t *testing.T) {
	var p *show.Progress
	at := func(d time.Duration) time.Time { return now.Add(d) }
	begin := func(domain string, kind rotate.Kind, d time.Duration) {
		p.Step(rotate.Event{Domain: domain, Kind: kind, Selector: "s1", Outcome: "begun"}, at(d))
	}
	three := []rotate.Domain{{Name: "a.test", VerifyTimeout: 2 * time.Minute},
		{Name: "b.test", VerifyTimeout: 2 * time.Minute}, {Name: "c.test"}}
	for _, tt := range []struct {
		name string
		do   func()
		at   time.Duration
		want string
	}{
		{"nothing is known", func() {}, 0, ""},
		{"nothing has begun", func() { p.Expect(three) }, 0, "0 of 3 domains done"},
		{"nobody says how many", func() { begin("a.test", rotate.Publish, 0) }, 0, "a.test: publish s1"},
		{"a step", func() { p.Expect(three); begin("a.test", rotate.Publish, 0) }, 999 * time.Millisecond,
			"0 of 3 domains done | a.test: publish s1"},
		{"a step that takes long", func() { p.Expect(three); begin("a.test", rotate.Publish, 0) }, 3 * time.Second,
			"0 of 3 domains done | a.test: publish s1 for 3s"},
		{"a record that is waited for", func() { p.Expect(three); begin("a.test", rotate.Verify, 0) }, 30 * time.Second,
			"0 of 3 domains done | a.test: verify s1 for 30s, 90s more at most"},
		{"for too long", func() { p.Expect(three); begin("a.test", rotate.Verify, 0) }, 3 * time.Minute,
			"0 of 3 domains done | a.test: verify s1 for 3m"},
		{"several at work", func() {
			p.Expect(three)
			begin("a.test", rotate.Publish, time.Second)
			begin("b.test", rotate.Generate, 0)
			p.Waiting("c.test", rotate.Next{Action: "rotate", Selector: "s2", At: at(time.Minute)})
		}, time.Second, "0 of 3 domains done | b.test: generate s1 for 1s, 1 more at work, 1 waiting"},
		{"the next step of one", func() {
			p.Expect(three)
			begin("a.test", rotate.Publish, 0)
			p.Step(rotate.Event{Domain: "a.test", Kind: rotate.Publish, Outcome: "done"}, at(0))
			begin("a.test", rotate.Verify, time.Second)
		}, time.Second, "0 of 3 domains done | a.test: verify s1"},
		{"between two steps", func() {
			p.Expect(three)
			begin("a.test", rotate.Publish, 0)
			p.Step(rotate.Event{Domain: "a.test", Kind: rotate.Publish, Outcome: "done"}, at(0))
		}, time.Second, "0 of 3 domains done"},
		{"waits", func() {
			p.Expect(three)
			p.Waiting("b.test", rotate.Next{Action: "activate", Selector: "s1", At: at(50 * time.Minute)})
			p.Waiting("c.test", rotate.Next{Action: "rotate", Selector: "s2", At: at(14 * time.Second)})
			p.Over("a.test")
		}, 0, "1 of 3 domains done | c.test: waiting 14s to rotate to s2, 1 more waiting"},
		{"a wait that is over", func() { p.Waiting("b.test", rotate.Next{Action: "retry", At: at(0)}) }, time.Second,
			"b.test: waiting 0s to try again"},
		{"told to end", func() { p.Expect(three); begin("a.test", rotate.Publish, 0); p.End() }, 0,
			"finishing the step in progress; Ctrl-C again ends at once | 0 of 3 domains done | a.test: publish s1"},
		{"how long still", func() {
			for _, name := range strings.Split("abcdefghijklmno", "") {
				p.Expect([]rotate.Domain{{Name: name}})
			}
			for _, name := range strings.Split("abcde", "") {
				p.Over(name)
			}
			begin("f", rotate.Publish, 5*time.Minute)
		}, 5 * time.Minute, "5 of 15 domains done | f: publish s1 | about 10m to go"},
		{"all done", func() { p.Expect(three[:1]); p.Over("a.test") }, 0, "1 of 1 domain done"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p = show.NewProgress(now)
			tt.do()
			if got := p.Line(at(tt.at), 200); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			for width := range 100 {
				line := p.Line(at(tt.at), width)
				if n := len([]rune(line)); n > width || n < min(width, len(tt.want)) {
					t.Fatalf("in %d columns: %q", width, line)
				}
			}
		})
	}
}

// An interrupted run says what is left, and the command to continue with.
func TestInterruptedSaysWhatIsLeft(t *testing.T) {
	of := func(name string, phase rotate.Phase, err error) engine.Result {
		return engine.Result{Domain: name, State: rotate.State{Phase: phase, Target: "s2", Draining: "s1"}, Err: err}
	}
	all := []engine.Result{
		of("f.test", rotate.Replacing, context.Canceled), of("ready.test", rotate.Ready, nil),
		of("failed.test", rotate.Switching, errors.New("no route to host")),
		of("a.test", "", context.Canceled), of("b.test", rotate.New, context.Canceled),
		of("c.test", rotate.Bootstrapping, context.Canceled),
		of("d.test", rotate.Switching, context.Canceled), of("e.test", rotate.Draining, nil),
		of("g.test", rotate.Ready, context.Canceled),
	}
	all[7].State.Next = &rotate.Next{Action: "replace", Selector: "s1", At: now.Add(7 * 24 * time.Hour)}
	wantText(t, written(func(x show.Text) { x.Interrupted(show.LeftOver(all), show.Failed(all), "dkimbot rotate --due") }), `
Interrupted; the step in progress was finished, and nothing is lost. Not finished yet: 7 domains
  a.test  (not begun)
  b.test  phase new (not begun)
  c.test  phase bootstrapping (its first keys are being made, published and put to use)
  d.test  phase switching (not every signer has switched to s2)
  e.test  phase draining (mail in flight is waited for; next: replace the key of s1, not before Tue 2026-12-08 04:00:00 UTC (in 7 days))
  f.test  phase replacing (s1 gets its fresh key)
  g.test  phase ready (not begun)
The daemon or the next 'dkimbot rotate --due' continues what was begun.
To continue: dkimbot rotate --due
`)
	many := make([]engine.Result, 25)
	got := written(func(x show.Text) { x.Interrupted(many, nil, "dkimbot rotate --due") })
	if !strings.Contains(got, "Not finished yet: 25 domains") || !strings.Contains(got, "\n  and 5 more\n") {
		t.Error(got)
	}
	wantText(t, written(func(x show.Text) { x.Interrupted(show.LeftOver(all[1:3]), show.Failed(all[1:3]), "x") }),
		"\nInterrupted; the step in progress was finished. Not done, see above: 1 domain.\nTo try again: x\n")
	wantText(t, written(func(x show.Text) { x.Interrupted(show.LeftOver(all[1:2]), show.Failed(all[1:2]), "x") }),
		"\nInterrupted; the step in progress was finished. Nothing is left to do.\n")
}
