package report

import (
	"cmp"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Mistake is one thing that is wrong with the configuration, or that is probably not meant.
type Mistake struct {
	File    string `json:"file"`
	Line    int    `json:"line"` // from 1
	Path    string `json:"path,omitempty"`
	Problem string `json:"problem"`
	Remedy  string `json:"remedy"`
}

// ValidationDocument is `validate --json`.
type ValidationDocument struct {
	FormatVersion int       `json:"format_version"`
	File          string    `json:"file"`
	Valid         bool      `json:"valid"`
	Domains       int       `json:"domains"`
	Errors        []Mistake `json:"errors"`
	Warnings      []Mistake `json:"warnings"`
}

// NewValidation makes the document of a check. Where there are errors, the number of domains may be
// unknown: 0.
func NewValidation(file string, domains int, errs, warnings []Mistake) ValidationDocument {
	return ValidationDocument{FormatVersion: FormatVersion, File: file, Valid: len(errs) == 0, Domains: domains,
		Errors: append([]Mistake{}, errs...), Warnings: append([]Mistake{}, warnings...)}
}

// Count names n things: "1 domain", "2 domains".
func Count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// indexes are the places in lists of a key such as domains[2].provider.
var indexes = regexp.MustCompile(`\[\d+\]`)

// namedPlaces is how many places are named of many with one mistake.
const namedPlaces = 3

// Together returns one mistake for those of one cause, where they are many: the first, which says of how many others it
// is true, too.
func Together(all []Mistake) (out []Mistake) {
	var causes []Failure
	for _, m := range all {
		// a zone file bears the name of its zone
		zone := strings.TrimSuffix(filepath.Base(m.File), ".zone")
		causes = append(causes, Failure{Domain: zone, Message: m.Problem + "\n" + m.Remedy})
	}
	kind := func(i int) string { return indexes.ReplaceAllString(all[i].Path, "[]") }
	groups := Alike(causes, kind)
	slices.SortStableFunc(groups, func(a, b []int) int { return cmp.Compare(a[0], b[0]) })
	for _, g := range groups {
		m := all[g[0]]
		if rest := g[1:]; len(rest) > 0 {
			var places []string
			for _, i := range rest[:min(len(rest), namedPlaces)] {
				places = append(places, all[i].File+":"+strconv.Itoa(all[i].Line))
			}
			if more := len(rest) - len(places); more > 0 {
				places = append(places, fmt.Sprintf("and %d more", more))
			}
			m.Problem += fmt.Sprintf(". The same is true at %s: %s ('dkimbot validate --json' lists each)",
				Count(len(rest), "other place"), strings.Join(places, ", "))
		}
		out = append(out, m)
	}
	return out
}
