package report

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
)

// Failure is why something failed for a domain.
type Failure struct {
	Domain  string
	Code    codes.Code // "" where it has none
	Message string
}

const (
	fewAlike  = 3  // how many failures of one cause are each worth words of their own
	manyWords = 10 // from how many causes of one code on the rest of that code stands together
)

// Alike puts failures together that have one cause: the same code, and the same words but for what is the domain's
// own. It returns where they stand in all. A cause of many domains comes first; one of a few domains has a group for
// each of them, and comes last, where it can't be overlooked. kind, if not nil, keeps apart what is not to stand
// together.
func Alike(all []Failure, kind func(i int) string) (groups [][]int) {
	type cause struct{ kind, code, words string }
	at := map[cause]int{}
	of := func(i int) cause {
		c := cause{code: string(all[i].Code), words: all[i].words()}
		if kind != nil {
			c.kind = kind(i)
		}
		return c
	}
	words := map[cause]int{} // of one kind and code: in how many words
	for i := range all {
		c := of(i)
		if _, known := at[c]; !known {
			rest := cause{kind: c.kind, code: c.code}
			if words[rest]++; c.code != "" && all[i].Code != codes.Error && words[rest] > manyWords {
				c = rest
			}
		}
		g, known := at[c]
		if !known {
			g = len(groups)
			at[c], groups = g, append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	var few [][]int
	groups = slices.DeleteFunc(groups, func(g []int) bool {
		if len(g) <= fewAlike {
			for _, i := range g {
				few = append(few, []int{i})
			}
		}
		return len(g) <= fewAlike
	})
	slices.SortStableFunc(groups, func(a, b []int) int { return cmp.Compare(len(b), len(a)) })
	slices.SortStableFunc(few, func(a, b []int) int { return cmp.Compare(a[0], b[0]) })
	return append(groups, few...)
}

// passing is what differs between two messages of one cause: selectors before a domain, texts and keys, ports, times.
var passing = regexp.MustCompile(`\S+\._domainkey\b|"[^"\n]{20,}"|\b[0-9a-f]{12,}\b|\S+->|\b\d+(\.\d+)?(ms|s|m|h)\b|` +
	`\b\d{4}-\d\d-\d\d[T ][0-9:.]+Z?|\b\d\d:\d\d:\d\d\b`)

// words returns the message without what is the domain's own.
func (f Failure) words() string {
	words := f.Message
	if f.Domain != "" {
		words = strings.ReplaceAll(words, f.Domain, "{domain}")
		if _, parent, ok := strings.Cut(f.Domain, "."); ok && strings.Contains(parent, ".") {
			words = strings.ReplaceAll(words, " zone "+parent, " zone {domain}")
		}
	}
	return passing.ReplaceAllString(words, "*")
}
