package console

import (
	"regexp"
	"strings"

	"github.com/spf13/pflag"
)

// mostNamed is how many domains a command names that a person is to type.
const mostNamed = 5

// SameCommand returns the command line once more, for those domains of it that are left.
func (p *Program) SameCommand(left []string) string {
	words := strings.Fields(p.Command.CommandPath())
	narrow := len(left) > 0 && len(left) <= mostNamed
	p.Command.Flags().Visit(func(f *pflag.Flag) {
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
			words = append(words, "--"+f.Name, Quoted(v))
		}
	})
	for _, a := range p.Args {
		words = append(words, Quoted(a))
	}
	return strings.Join(words, " ")
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_./:@%+,=-]+$`)

// Quoted returns a word as a shell takes it.
func Quoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
