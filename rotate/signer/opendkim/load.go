package opendkim

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/block"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim/flatfile"
)

// One line that OpenDKIM can't load makes it keep all its old tables at a reload, silently, and
// not start at all after a reboot. This file finds such lines beforehand.

// unloadable is a line of a table that keeps OpenDKIM from loading the tables, or from
// signing mail that comes to the line.
type unloadable struct {
	line int
	err  error
	hint string
}

// checkLines looks at the lines of a SigningTable, beside the names of a KeyTable.
func checkLines(sign []byte, refile bool, names map[string]flatfile.Entry) *unloadable {
	for r := range flatfile.Numbered(sign, refile) {
		if refile {
			if err := checkPattern(r.Key); err != nil {
				return &unloadable{r.Number, err,
					"correct the pattern or remove the line; " +
						"* stands for any text, and the rest is a POSIX extended regular expression"}
			}
		}
		name, _, identity := strings.Cut(r.Value, ":")
		entry, known := names[name]
		switch {
		case name == "":
			return &unloadable{r.Number, fmt.Errorf("%s names no entry of the KeyTable", r.Key),
				"write an entry's name behind it, or remove the line"}
		case name == "%" && !known && (refile || !identity): // the sender's domain
		case !known:
			return &unloadable{r.Number, fmt.Errorf("%s uses the entry %s, which the KeyTable lacks", r.Key, name),
				"remove the line, or write an entry " + name + " in the KeyTable"}
		case entry.Path == "":
			return &unloadable{r.Number, fmt.Errorf("%s uses the entry %s of the KeyTable, "+
				"which is not of the form domain:selector:path", r.Key, name),
				"correct or remove that entry in the KeyTable, or remove the line"}
		}
	}
	return nil
}

// checkLoad refuses tables in which lines of other people are such. Our own lines are about to be
// written, and lines that use them are judged by domain (screen).
func (b *batch) checkLoad(sign []byte) error {
	foreign, err := flat.Parse(sign)
	if err != nil {
		return block.Damaged(b.signTable, err)
	}
	names := maps.Clone(b.view.Entries)
	for _, j := range b.jobs {
		if name := b.entryName(j); names[name].Path == "" {
			names[name] = flatfile.Entry{Domain: j.Domain, Selector: j.Selector, Path: j.path}
		}
	}
	bad := checkLines(foreign.Foreign, b.refile, names)
	if bad == nil {
		return nil
	}
	bad.line = foreign.Numbers[bad.line-1]
	return bad.fault("edit the tables of signer "+b.cfg.Name, b.signTable)
}

func (u *unloadable) fault(what, path string) error {
	return &fault.Error{Kind: fault.Refused, Code: codes.UnloadableLine, What: what,
		Err:  fmt.Errorf("OpenDKIM can't use line %d of %s: %w", u.line, path, u.err),
		Hint: u.hint}
}

var interval = regexp.MustCompile(`^\{[0-9]+(,[0-9]*)?\}`)

// checkPattern refuses what regcomp(3) refuses, and some odd things that it takes.
func checkPattern(pattern string) error {
	if flatfile.CompileGlob(pattern) == nil {
		return fmt.Errorf("the pattern %.100q is not valid", pattern)
	}
	if n := len(flatfile.ExpandGlob(pattern)) + len("^$"); n > flatfile.MaxLine {
		return errors.New("the pattern is too long")
	}
	// Go takes these for themselves where the C library finds an error.
	atom := false // something stands before that can be repeated
	p := flatfile.ExpandGlob(pattern)
	for i := 0; i < len(p); i++ {
		switch p[i] {
		case '\\':
			i++
			atom = true
		case '[':
			i += bracket(p[i:]) - 1
			atom = true
		case '{':
			n := len(interval.FindString(p[i:]))
			if n == 0 || !atom {
				return fmt.Errorf("the pattern %.100q has a { that repeats nothing", pattern)
			}
			i += n - 1
		case '?':
			if !atom {
				return fmt.Errorf("the pattern %.100q has a ? that repeats nothing", pattern)
			}
		case '(', '|', '^', '$':
			atom = false
		default:
			atom = true
		}
	}
	return nil
}

// bracket is the length of the bracket expression that p begins with.
func bracket(p string) int {
	i := 1
	if strings.HasPrefix(p[i:], "^") {
		i++
	}
	if strings.HasPrefix(p[i:], "]") {
		i++
	}
	for i < len(p) && p[i] != ']' {
		if strings.HasPrefix(p[i:], "[:") {
			if end := strings.Index(p[i:], ":]"); end > 0 {
				i += end + 1
			}
		}
		i++
	}
	return min(i+1, len(p))
}
