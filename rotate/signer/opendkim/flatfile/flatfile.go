// Package flatfile reads the flat files of OpenDKIM, KeyTable and SigningTable, as OpenDKIM does.
package flatfile

import (
	"bytes"
	"iter"
	"maps"
	"regexp"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// MaxLine is how much of a line OpenDKIM reads at once; the rest of a longer
// line counts as the next one.
const MaxLine = 1023

// blank is the white space of the C locale; OpenDKIM trims no other.
const blank = " \t\n\r\v\f"

// Records yields key and value of each line, without comments. Lines that begin
// with white space mean nothing in a refile.
func Records(data []byte, refile bool) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for r := range Numbered(data, refile) {
			if !yield(r.Key, r.Value) {
				return
			}
		}
	}
}

// Line is a line of a table that means something.
type Line struct {
	Number     int // from 1
	Key, Value string
}

// Numbered is Records with the numbers of the lines.
func Numbered(data []byte, refile bool) iter.Seq[Line] {
	return func(yield func(Line) bool) {
		n := 0
		for full := range bytes.Lines(data) {
			n++
			for chunk := range chunks(full) {
				line, _, _ := strings.Cut(string(chunk), "#")
				line, _, _ = strings.Cut(line, "\x00")
				if refile && strings.TrimLeft(line, blank) != line {
					continue
				}
				line = strings.Trim(line, blank)
				if line == "" {
					continue
				}
				key, value := line, ""
				if i := strings.IndexAny(line, blank); i >= 0 {
					key, value = line[:i], strings.Trim(line[i:], blank)
				}
				if !yield(Line{n, key, value}) {
					return
				}
			}
		}
	}
}

func chunks(line []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(line) > MaxLine {
			if !yield(line[:MaxLine]) {
				return
			}
			line = line[MaxLine:]
		}
		yield(line)
	}
}

// Entry is the value of a KeyTable line.
type Entry struct{ Domain, Selector, Path string }

// ParseEntry reads the value of a KeyTable line; ok: it has all three fields.
func ParseEntry(value string) (e Entry, ok bool) {
	f := strings.SplitN(value, ":", 3)
	if len(f) != 3 || f[0] == "" || f[1] == "" || f[2] == "" {
		return Entry{}, false
	}
	return Entry{Domain: f[0], Selector: f[1], Path: f[2]}, true
}

// Entries maps the names of a KeyTable to their entries; the first one counts.
func Entries(data []byte) map[string]Entry {
	names := map[string]Entry{}
	for name, value := range Records(data, false) {
		if _, twice := names[name]; twice {
			continue
		}
		e, _ := ParseEntry(value)
		names[name] = e
	}
	return names
}

// Signing answers which KeyTable name a SigningTable gives to a domain's mail.
type Signing struct {
	refile bool
	exact  map[string]rule // refile: the domains of "*@domain" lines; else all keys
	globs  []rule          // refile: all other lines
}

type rule struct {
	order   int // a line that is too long counts as several
	line    int
	keyName string
	pattern *regexp.Regexp
}

// ReadSigning reads a SigningTable, a refile or a plain one.
func ReadSigning(data []byte, refile bool) Signing {
	s := Signing{refile: refile, exact: map[string]rule{}}
	n := 0
	for l := range Numbered(data, refile) {
		n++
		pattern := strings.ToLower(l.Key) // the table ignores case
		r := rule{order: n, line: l.Number, keyName: EntryName(l.Value)}
		key, simple := pattern, !refile
		if domain, ok := strings.CutPrefix(pattern, "*@"); refile && ok {
			_, err := dkim.ParseDomain(domain)
			key, simple = domain, err == nil
		}
		if !simple {
			if r.pattern = CompileGlob(pattern); r.pattern != nil {
				s.globs = append(s.globs, r)
			}
			continue
		}
		if _, twice := s.exact[key]; !twice {
			s.exact[key] = r
		}
	}
	return s
}

// EntryName leaves out the optional second field, the signer for i=.
func EntryName(value string) string {
	name, _, _ := strings.Cut(value, ":")
	return name
}

// CompileGlob does what OpenDKIM's dkimf_mkregexp does: "*" is any text, "." and
// "+" stand for themselves, the rest is an extended regular expression. A line
// that is none gives nil; OpenDKIM refuses the whole table then.
func CompileGlob(pattern string) *regexp.Regexp {
	re, err := regexp.CompilePOSIX("^" + ExpandGlob(pattern) + "$")
	if err != nil {
		return nil
	}
	return re
}

// ExpandGlob returns the regular expression that OpenDKIM makes of a pattern.
func ExpandGlob(pattern string) string {
	return strings.NewReplacer("*", ".*", "+", `\+`, ".", `\.`).Replace(pattern)
}

// Keys yields the keys of the lines that are no patterns: the domains of "*@domain" lines, or of a plain table all.
func (s Signing) Keys() iter.Seq[string] { return maps.Keys(s.exact) }

// keyName returns the KeyTable name for mail of postmaster at domain, or "".
func (s Signing) keyName(domain string) string {
	name := s.lookUp(domain).keyName
	if name == "%" {
		return domain
	}
	return name
}

// Line returns the number of the line that gives a key to mail of postmaster at domain; 0 for none.
func (s Signing) Line(domain string) int { return s.lookUp(domain).line }

// lookUp returns the line that counts.
func (s Signing) lookUp(domain string) rule {
	address := "postmaster@" + domain
	if !s.refile {
		for key := range exactKeys(domain) {
			if r, ok := s.exact[key]; ok {
				return r
			}
		}
		return rule{}
	}
	hit, found := s.exact[domain]
	for _, r := range s.globs {
		if found && r.order > hit.order {
			break
		}
		if r.pattern.MatchString(address) {
			return r
		}
	}
	return hit
}

// exactKeys yields what OpenDKIM asks a plain file for, in its order.
func exactKeys(domain string) iter.Seq[string] {
	return func(yield func(string) bool) {
		const user = "postmaster@"
		keys := []string{user + domain, domain}
		for i := range len(domain) {
			if domain[i] == '.' {
				keys = append(keys, user+domain[i:], domain[i:])
			}
		}
		for _, k := range append(keys, user+"*", "*") {
			if !yield(k) {
				return
			}
		}
	}
}

// View is what the daemon would do with both tables.
type View struct {
	Entries map[string]Entry // of the KeyTable, by their names
	Signing Signing
}

// InUse is the key that a domain's mail is signed with.
type InUse struct {
	Selector string `json:"selector"`
	Path     string `json:"path"`
}

// Domain returns what signs mail of domain in its own name, if anything does.
func (v View) Domain(domain string) (InUse, bool) {
	name := v.Signing.keyName(domain)
	if name == "" {
		return InUse{}, false
	}
	e, ok := v.Entries[name]
	if !ok || e.Path == "" || e.Domain != "%" && !strings.EqualFold(e.Domain, domain) {
		return InUse{}, false
	}
	return InUse{Selector: e.Selector, Path: strings.ReplaceAll(e.Path, "%", domain)}, true
}
