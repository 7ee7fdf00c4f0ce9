package cli

import (
	"regexp"
	"strings"

	"github.com/spf13/pflag"

	"github.com/dkimbot/dkimbot/cmd/internal/show"
	"github.com/dkimbot/dkimbot/rotate"
)

// interrupted says what an interrupted run has left, and how to go on: with the
// same command for what is left when again is "".
func (p *program) interrupted(results []rotate.Result, again string) error {
	left := show.LeftOver(results)
	names := make([]string, len(left))
	for i, r := range left {
		names[i] = r.Domain
	}
	p.text(p.Err, p.ErrTTY).Interrupted(left, orElse(again, p.again(names)))
	return exitCode(exitError)
}

// mostNamed is how many domains a command names that a person is to type.
const mostNamed = 5

// again returns the command line once more, for those domains of it that are left.
func (p *program) again(left []string) string {
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
