package man

import "regexp"

// span is a piece of text; a strong one is typed as it stands, or must not be missed.
type span struct {
	text   string
	strong bool
}

var (
	markForm = regexp.MustCompile("`([^`]+)`|\\*\\*([^*]+)\\*\\*|\\[([^\\]]+)\\]\\(([^)]+)\\)")
	webForm  = regexp.MustCompile(`^https?://`)
)

// spans splits text at its inline marks. A link shows where it leads when that is on the web.
func spans(text string) (out []span) {
	add := func(s string, strong bool) {
		if s != "" {
			out = append(out, span{s, strong})
		}
	}
	end := 0 // of what is split already
	for _, m := range markForm.FindAllStringSubmatchIndex(text, -1) {
		group := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return text[m[2*i]:m[2*i+1]]
		}
		add(text[end:m[0]], false)
		add(group(1), true)
		add(group(2), true)
		add(group(3), false)
		if to := group(4); webForm.MatchString(to) {
			add(" ("+to+")", false)
		}
		end = m[1]
	}
	add(text[end:], false)
	return out
}
