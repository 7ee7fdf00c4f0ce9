// Package act has the commands that change something, each in a file. A dry run of one is a
// plan, which package inspect shows.
package act

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/cli/inspect"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/order"
	"github.com/dkimbot/dkimbot/rotate/scheduler"
)

// The longest waits that a run stays for.
const (
	shortWait = time.Minute // without --wait
	longWait  = time.Hour   // with --wait
)

// patienceOf returns how long a run stays for what has to be waited for.
func patienceOf(wait bool) engine.Patience {
	if wait {
		return engine.Patience{Most: longWait, Retry: true}
	}
	return engine.Patience{Most: shortWait}
}

// run is a command at work on the domains of a configuration.
type run struct {
	*console.Program
	cmd    *cobra.Command
	cfg    *config.Config
	looks  bool // see job
	leaves bool // it reports compromised keys: it is done when they are revoked

	everywhere bool // it reports keys of all domains; those that were released are named
}

// begin loads the configuration and the domains of it that a command is to work on.
func begin(p *console.Program, cmd *cobra.Command, names []string,
	choose console.Chooser) (run, []rotate.Domain, error) {
	cfg, domains, err := p.LoadFor(cmd, names, choose)
	return run{Program: p, cmd: cmd, cfg: cfg}, domains, err
}

// refused notifies those whom the configuration names of an error that ended the command before
// it began with a domain, and returns it.
func (r run) refused(err error) error { return r.NotifyRefusal(r.cmd, r.cfg, err) }

// job is what a command asks for some domains.
type job struct {
	choose       console.Chooser // finds the domains
	names        []string
	request      rotate.Request
	dryRun, wait bool
	looks        bool // it is to look at everything: what can't be asked is a failure
}

// instruct gives the domains what a person wants done, and carries it out.
func instruct(p *console.Program, cmd *cobra.Command, j job) error {
	r, domains, err := begin(p, cmd, j.names, j.choose)
	if err != nil {
		return err
	}
	if j.dryRun {
		return inspect.Planning{Program: p, Form: p.PlanForm(), Request: j.request}.Show(cmd.Context(), r.cfg, domains)
	}
	r.looks = j.looks
	return r.refused(r.settle(domains, j.request, false, patienceOf(j.wait)))
}

// settle works on the domains until nothing is to be done now, and shows what became of them.
func (r run) settle(domains []rotate.Domain, req rotate.Request, due bool, patience engine.Patience) error {
	s, err := r.Open(r.cmd, r.cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	ctx := r.cmd.Context()
	now, later := domains, []waiting(nil)
	if due {
		if now, err = scheduler.TakePending(ctx, s.Work, s.Engine.Clock.Now(), domains, req); err != nil {
			return err
		}
		if later, err = coming(ctx, s, domains, now, patience); err != nil {
			return err
		}
		domains = slices.Clone(now)
		for _, w := range later {
			domains = append(domains, w.domain)
		}
	}
	beside, err := console.FindOthers(ctx, s.App, due, domains)
	if err != nil {
		return err
	}
	if r.everywhere {
		if beside.Released, err = s.Released(ctx); err != nil {
			return err
		}
	}
	var results []engine.Result
	s.Progress.Expect(domains)
	all := &settling{Session: s, request: req, patience: patience,
		each: r.looked(s.Into(&results, show.ResultOf(len(domains))))}
	wait := all.later(ctx, later)
	asked, err := meant(ctx, s, tasks(now, req))
	if err != nil {
		return err
	}
	s.Engine.SettleAll(ctx, asked, patience, all.waits, all.result)
	wait()
	s.Progress.Stop()
	err = r.end(s, results, domains, beside)
	if due && err == nil {
		s.Notifier.Beat()
	}
	return err
}

// looked gives a result on. Where the command was to look at everything, and something could not be asked, that is its
// error: nothing else failed, and yet the domain was not looked at.
func (r run) looked(next func(engine.Result)) func(engine.Result) {
	return func(res engine.Result) {
		if r.looks && res.Err == nil && slices.ContainsFunc(res.State.Drift, finding.Finding.Unasked) {
			res.Err = fault.Temporary("look at "+res.Domain, errors.New("not everything could be asked; see the drift"),
				"correct what the drift names, and run 'dkimbot repair --domain "+res.Domain+
					"' again; dkimbot also asks again by itself")
		}
		next(res)
	}
}

// tasks ask the same of each of the domains.
func tasks(domains []rotate.Domain, req rotate.Request) (out []engine.Task) {
	for _, d := range domains {
		out = append(out, engine.Task{Domain: d, Request: req})
	}
	return out
}

// meant has each report of compromised keys say which keys are meant: those that signers use now, and not those that
// they use when another process has finished with a domain.
func meant(ctx context.Context, s console.Session, asked []engine.Task) ([]engine.Task, error) {
	for i, t := range asked {
		report, reports := t.Request.Instruction.(rotate.Compromised)
		if !reports {
			continue
		}
		st, err := s.State.Load(ctx, t.Domain.Name)
		if err != nil {
			return nil, err
		}
		asked[i].Request.Instruction = order.Meant(st, report)
	}
	return asked, nil
}

// end ends a session in which results were reported as they came.
func (r run) end(s console.Session, results []engine.Result, domains []rotate.Domain, beside console.Others) error {
	if r.JSON {
		inOrder(results, domains)
		if err := r.Document(report.NewRotate(results, beside.Waiting, beside.Unlisted)); err != nil {
			return err
		}
	} else {
		r.closingWords(results, beside)
	}
	s.Notifier.Well()
	if r.cmd.Context().Err() != nil {
		return r.interrupted(results, r.afterReport(results))
	}
	if r.leaves { // a key that is not revoked yet is not done; its result says so, and until when
		return exit(results, beside, func(r engine.Result) bool { return len(report.Unrevoked(r.State)) > 0 })
	}
	return exit(results, beside, nil)
}

// inOrder puts results in the order of the domains: they come as they are ready.
func inOrder(results []engine.Result, domains []rotate.Domain) {
	at := make(map[string]int, len(domains))
	for i, d := range domains {
		at[d.Name] = i
	}
	slices.SortFunc(results, func(a, b engine.Result) int { return at[a.Domain] - at[b.Domain] })
}

// closingWords say what a person may wonder about after the results.
func (r run) closingWords(results []engine.Result, beside console.Others) {
	t := r.Text()
	beside.Retries(t)
	waiting := slices.ContainsFunc(results,
		func(r engine.Result) bool { return r.Err == nil && r.State.Phase != rotate.Ready })
	switch {
	case len(results) == 0 && len(beside.Waiting) > 0:
		fmt.Fprintf(r.Out, "Nothing else is due. To try again at once, name the domain: 'dkimbot rotate --domain %s'.\n",
			beside.Waiting[0].Domain)
	case len(results) == 0:
		fmt.Fprintln(r.Out, "Nothing is due.")
	case heldBack(results) != "":
		fmt.Fprintf(r.Out, "Held back: %s. 'dkimbot rotate --due' and the daemon continue when the wait ends.\n",
			heldBack(results))
	case waiting:
		fmt.Fprintln(r.Out, "Waiting, see above. "+
			"'dkimbot rotate --due' and the daemon continue when the wait ends.")
	}
	t.Warnings(append(show.UnlistedWarnings(beside.Unlisted), show.ReleasedWarnings(beside.Released)...))
	t.Ended(results)
}

// exit says by the exit code what became of the domains. It counts in what failed before and
// waits for its next try: as long as a domain fails, every run for all domains ends with the same code. Of what has not
// failed, undone says what counts as if it had; nil is nothing.
func exit(results []engine.Result, beside console.Others, undone func(engine.Result) bool) error {
	failed, refused := beside.Failing()
	for _, r := range results {
		if r.Err != nil || undone != nil && undone(r) {
			failed++
			if fault.KindOf(r.Err) == fault.Refused {
				refused++
			}
		}
	}
	return console.Ended(max(len(results), beside.All), failed, refused)
}
