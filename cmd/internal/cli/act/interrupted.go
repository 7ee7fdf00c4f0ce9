package act

import (
	"cmp"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
)

// interrupted says what an interrupted run has left, and how to continue: with the
// same command for what is left when again is "".
func (r run) interrupted(results []engine.Result, again string) error {
	left, failed := show.LeftOver(results), show.Failed(results)
	open := left
	if len(left) == 0 {
		open = failed
	}
	var names []string
	for _, one := range open {
		names = append(names, one.Domain)
	}
	r.ErrText().Interrupted(left, failed, cmp.Or(again, r.SameCommand(names)))
	return console.Exit(console.ExitError)
}

// afterReport returns how an interrupted run continues whose report of compromised keys was
// noted: not by the same command, which, when all is done meanwhile, would report the
// keys that signers have come to. It returns "" when nothing was noted, or reported.
func (r run) afterReport(results []engine.Result) string {
	if reported := r.cmd.Flags().Lookup("compromised"); reported == nil || !reported.Changed {
		return ""
	}
	var not []string
	for _, one := range results {
		if !slices.ContainsFunc(one.Done, func(e rotate.Event) bool { return e.Kind == rotate.ReportCompromised }) {
			not = append(not, one.Domain)
		}
	}
	due := strings.Fields(r.cmd.CommandPath())
	due = append(due, "--due")
	if f := r.cmd.Flags().Lookup("config"); f != nil && f.Changed {
		due = append(due, "--config", console.Quoted(f.Value.String()))
	}
	switch {
	case len(not) == len(results):
		return ""
	case len(not) == 0:
		return strings.Join(due, " ")
	}
	return strings.Join(due, " ") + "; and for what was not noted as compromised yet (" + strings.Join(not, ", ") +
		") the same command again"
}
