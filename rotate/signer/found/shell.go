package found

import (
	"regexp"
	"strings"
)

// Quoted returns a text as one word of a shell.
func Quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

var plainPath = regexp.MustCompile(`^[A-Za-z0-9_./@%+=:,$-]+$`)

// Word is Quoted where a shell would not take the text as it is.
func Word(text string) string {
	if plainPath.MatchString(text) && !strings.Contains(text, "$") {
		return text
	}
	return Quoted(text)
}
