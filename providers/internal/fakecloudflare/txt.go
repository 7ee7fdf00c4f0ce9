package fakecloudflare

import (
	"errors"
	"strings"
)

// stringsOf reads TXT content: quoted strings with \" and \\, or plain text, cut
// into strings of at most 255 octets.
func stringsOf(content string) ([]string, error) {
	if !strings.HasPrefix(content, `"`) {
		return split(content), nil
	}
	var out []string
	for rest := content; rest != ""; rest = strings.TrimLeft(rest, " ") {
		if rest[0] != '"' {
			return nil, errors.New("text outside of quotes")
		}
		var b strings.Builder
		i := 1
		for ; i < len(rest) && rest[i] != '"'; i++ {
			if rest[i] == '\\' && i+1 < len(rest) {
				i++
			}
			b.WriteByte(rest[i])
		}
		if i >= len(rest) {
			return nil, errors.New("a quote is not closed")
		}
		out = append(out, split(b.String())...)
		rest = rest[i+1:]
	}
	return out, nil
}

func split(s string) []string {
	var out []string
	for len(s) > 255 {
		out, s = append(out, s[:255]), s[255:]
	}
	return append(out, s)
}

func quote(texts []string) string {
	var quoted []string
	for _, s := range texts {
		quoted = append(quoted, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)+`"`)
	}
	return strings.Join(quoted, " ")
}

func mustStrings(content string) []string {
	out, err := stringsOf(content)
	if err != nil {
		panic("fakecloudflare: " + err.Error())
	}
	return out
}
