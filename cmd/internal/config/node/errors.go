package node

import (
	"slices"
	"strconv"
	"strings"
)

// Error is one thing that is wrong with the configuration. It never holds a secret.
type Error struct {
	File    string `json:"file"`           // as given on the command line, or found by include
	Line    int    `json:"line"`           // from 1
	Path    string `json:"path,omitempty"` // the key, for example "domains[2].provider"; "" is the whole file
	Problem string `json:"problem"`
	Remedy  string `json:"remedy"` // what to write or do instead
}

// Error renders e on one line.
func (e Error) Error() string {
	parts := []string{e.File + ":" + strconv.Itoa(e.Line)}
	for _, p := range []string{e.Path, e.Problem, e.Remedy} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ": ")
}

// Errors is everything that is wrong with a configuration, by file and line.
type Errors []Error

// Error renders one error a line.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Findings collects errors and warnings over all files of one configuration.
type Findings struct {
	Found func()                            // called for each finding as it is made; nil but in tests
	Asked func(path string, known []string) // called for each group of keys that was read; nil but in tests

	Errs, Warns []Error
	Unread      []Error  // credentials that are named and can't be read now; see Section.Secret
	Files       []string // in the order of reading
}

// add appends e to one of the lists.
func (f *Findings) add(list *[]Error, e Error) {
	*list = append(*list, e)
	if f.Found != nil {
		f.Found()
	}
}

// Sorted returns what was found in the order of reading, without repetitions:
// what is wrong behind an anchor is found once for each alias.
func (f *Findings) Sorted(es []Error) []Error {
	slices.SortStableFunc(es, func(a, b Error) int {
		if c := slices.Index(f.Files, a.File) - slices.Index(f.Files, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	type same struct {
		file, key, problem string
		line               int
	}
	seen := map[same]bool{}
	return slices.DeleteFunc(es, func(e Error) bool {
		k := same{e.File, e.Path[strings.LastIndexByte(e.Path, '.')+1:], e.Problem, e.Line}
		dup := seen[k]
		seen[k] = true
		return dup
	})
}
