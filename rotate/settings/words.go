package settings

import (
	"fmt"
	"slices"
	"strings"
)

// maxShown keeps a remedy readable when hundreds of names are defined.
const maxShown = 20

// Unknown returns problem and remedy for a word that is none of those allowed.
func Unknown(what, word string, allowed []string) (problem, remedy string) {
	problem = fmt.Sprintf("unknown %s %q", what, word)
	if len(allowed) == 0 {
		return problem, "none is defined"
	}
	if s := Nearest(word, allowed); s != "" {
		remedy = fmt.Sprintf("did you mean %s? ", s)
	}
	shown := slices.Compact(slices.Sorted(slices.Values(allowed)))
	if len(shown) > maxShown {
		shown = append(shown[:maxShown], "...")
	}
	return problem, remedy + "there are: " + strings.Join(shown, ", ")
}

// Nearest returns the word that a typing error may have missed, or "".
func Nearest(word string, words []string) string {
	best, dist := "", max(1, len(word)/3)+1
	for _, w := range words {
		if d := distance(strings.ToLower(word), w); d < dist {
			best, dist = w, d
		}
	}
	return best
}

// distance is Levenshtein's: how many letters must be put in, left out or changed.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost = 1 + min(diag, row[j], row[j+1])
			}
			diag, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
