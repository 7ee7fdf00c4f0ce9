package child

import (
	"fmt"
	"regexp"
	"strings"
)

// bare is a word that a shell takes as it stands.
var bare = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

// Shell returns a command as it can be pasted into a shell, in one line.
func Shell(argv []string) string {
	words := make([]string, len(argv))
	for i, word := range argv {
		words[i] = quote(word, i == 0)
	}
	return strings.Join(words, " ")
}

func quote(word string, command bool) string {
	switch {
	case bare.MatchString(word) && !(command && strings.Contains(word, "=")): // else that sets a variable
		return word
	case !strings.ContainsFunc(word, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	var b strings.Builder // bash, zsh and the POSIX shell of 2024 read this
	for i := range len(word) {
		switch c := word[i]; {
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, `\%03o`, c)
		case c == '\'' || c == '\\':
			b.WriteString(`\` + string(rune(c)))
		default:
			b.WriteByte(c)
		}
	}
	return "$'" + b.String() + "'"
}
