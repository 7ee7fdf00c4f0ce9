package cli

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/spf13/pflag"
)

// interrupted says what an interrupted run has left, and how to continue: with the
// same command for what is left when again is "".
func (p *program) interrupted(results []engine.Result, again string) error {
	left, failed := show.LeftOver(results), show.Failed(results)
	open := left
	if len(left) == 0 {
		open = failed
	}
	var names []string
	for _, r := range open {
		names = append(names, r.Domain)
	}
	p.text(p.Err, p.ErrTTY).Interrupted(left, failed, cmp.Or(again, p.resumeHint(names)))
	return exitCode(exitError)
}

// afterReport returns how an interrupted run continues whose report of leaked keys was
// noted: not by the same command, which, when all is done meanwhile, would report the
// keys that signers have come to. It returns "" when nothing was noted, or reported.
func (p *program) afterReport(results []engine.Result) string {
	if reported := p.cmd.Flags().Lookup("compromised"); reported == nil || !reported.Changed {
		return ""
	}
	var not []string
	for _, r := range results {
		if !slices.ContainsFunc(r.Done, func(e rotate.Event) bool { return e.Kind == rotate.Mistrust }) {
			not = append(not, r.Domain)
		}
	}
	due := strings.Fields(p.cmd.CommandPath())
	due = append(due, "--due")
	if f := p.cmd.Flags().Lookup("config"); f != nil && f.Changed {
		due = append(due, "--config", quoted(f.Value.String()))
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

// mostNamed is how many domains a command names that a person is to type.
const mostNamed = 5

// resumeHint returns the command line once more, for those domains of it that are left.
func (p *program) resumeHint(left []string) string {
	words := strings.Fields(p.cmd.CommandPath())
	narrow := len(left) > 0 && len(left) <= mostNamed
	p.cmd.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		if f.Name == "domain" && narrow {
			values = left
		}
		for _, v := range values {
			if f.Value.Type() == "bool" {
				words = append(words, strings.TrimSuffix("--"+f.Name+"="+v, "=true"))
				continue
			}
			words = append(words, "--"+f.Name, quoted(v))
		}
	})
	for _, a := range p.args {
		words = append(words, quoted(a))
	}
	return strings.Join(words, " ")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]+$`)

// quoted returns a word as a shell takes it.
func quoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
