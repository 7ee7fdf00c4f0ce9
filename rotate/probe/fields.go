package probe

import (
	"bytes"
	"strings"
)

// field is one field of a header, with its value unfolded.
type field struct{ name, value string }

// cut returns the fields of a message's header, and its body. Lines may end as on disk.
func cut(message []byte) (fields []field, body []byte) {
	var name string
	var value []string // one for each line of the field; nil between fields
	end := func() {
		if value != nil {
			fields = append(fields, field{name, strings.Join(value, " ")})
			value = nil
		}
	}
	for rest := message; len(rest) > 0; {
		line, after, _ := bytes.Cut(rest, []byte("\n"))
		rest = after
		text := strings.TrimRight(string(line), "\r")
		if text == "" {
			end()
			return fields, rest
		}
		if folded := text[0] == ' ' || text[0] == '\t'; folded && value != nil {
			value = append(value, strings.TrimSpace(text))
		} else if before, first, ok := strings.Cut(text, ":"); ok && !folded {
			end()
			name, value = strings.TrimSpace(before), []string{strings.TrimSpace(first)}
		}
	}
	end()
	return fields, nil
}

// tokenOf returns the token of a message that is a probe as it was sent, "" for another; and a token that a message
// quotes which is not: a bounce, or an answer.
func tokenOf(message []byte) (token, quoted string) {
	fields, body := cut(message)
	for _, f := range fields {
		if strings.EqualFold(f.name, tokenField) && bytes.Contains(body, []byte(f.value)) {
			return f.value, ""
		}
	}
	_, after, ok := bytes.Cut(body, []byte(tokenField+": "))
	if !ok {
		return "", ""
	}
	line, _, _ := bytes.Cut(after, []byte("\n"))
	return "", strings.TrimSpace(string(line[:min(len(line), 200)]))
}

// subject returns what a message is about, for people.
func subject(message []byte) string {
	fields, _ := cut(message)
	for _, f := range fields {
		if strings.EqualFold(f.name, "Subject") {
			return oneLine(f.value)
		}
	}
	return "(none)"
}

// tags reads a list of tags (RFC 6376 section 3.2), with the white space that folding leaves taken out. Of a tag that
// stands twice, the first counts.
func tags(value string) map[string]string {
	out := map[string]string{}
	for tag := range strings.SplitSeq(value, ";") {
		name, v, ok := strings.Cut(tag, "=")
		if name = strings.TrimSpace(name); ok && out[name] == "" {
			out[name] = strings.Join(strings.Fields(v), "")
		}
	}
	return out
}

// oneLine cuts what others said to what fits into a sentence, without control characters.
func oneLine(text string) string {
	const most = 200 // letters
	clean := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\uFFFD' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, " "))
	r := []rune(strings.Join(strings.Fields(clean), " "))
	if len(r) > most {
		return string(r[:most]) + "…"
	}
	return string(r)
}
