package opendkim

import (
	"bytes"
	"iter"
	"regexp"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// What OpenDKIM makes of its flat files: this file reads them as it does.

// maxLine is how much of a line OpenDKIM reads at once; the rest of a longer
// line counts as the next one.
const maxLine = 1023

// blank is the white space of the C locale; OpenDKIM trims no other.
const blank = " \t\n\r\v\f"

// records yields key and value of each line, without comments. Lines that begin
// with white space mean nothing in a refile.
func records(data []byte, refile bool) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for r := range numbered(data, refile) {
			if !yield(r.key, r.value) {
				return
			}
		}
	}
}

// record is a line of a table that means something.
type record struct {
	line       int // its number, from 1
	key, value string
}

// numbered is records with the numbers of the lines.
func numbered(data []byte, refile bool) iter.Seq[record] {
	return func(yield func(record) bool) {
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
				if !yield(record{n, key, value}) {
					return
				}
			}
		}
	}
}

func chunks(line []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for len(line) > maxLine {
			if !yield(line[:maxLine]) {
				return
			}
			line = line[maxLine:]
		}
		yield(line)
	}
}

// keyEntry is the value of a KeyTable line.
type keyEntry struct{ domain, selector, path string }

func parseKeyEntry(value string) (keyEntry, bool) {
	f := strings.SplitN(value, ":", 3)
	if len(f) != 3 || f[0] == "" || f[1] == "" || f[2] == "" {
		return keyEntry{}, false
	}
	return keyEntry{domain: f[0], selector: f[1], path: f[2]}, true
}

// keyNames maps the names of a KeyTable to their entries; the first one counts.
func keyNames(data []byte) map[string]keyEntry {
	names := map[string]keyEntry{}
	for name, value := range records(data, false) {
		if _, twice := names[name]; twice {
			continue
		}
		e, _ := parseKeyEntry(value)
		names[name] = e
	}
	return names
}

// signing answers which KeyTable name a SigningTable gives to a domain's mail.
type signing struct {
	refile bool
	exact  map[string]rule // refile: the domains of "*@domain" lines; else all keys
	globs  []rule          // refile: all other lines
}

type rule struct {
	line    int
	keyName string
	pattern *regexp.Regexp
}

func readSigning(data []byte, refile bool) signing {
	s := signing{refile: refile, exact: map[string]rule{}}
	n := 0
	for pattern, value := range records(data, refile) {
		n++
		pattern = strings.ToLower(pattern) // the table ignores case
		r := rule{line: n, keyName: keyNameOf(value)}
		key, simple := pattern, !refile
		if domain, ok := strings.CutPrefix(pattern, "*@"); refile && ok {
			_, err := dkim.ParseDomain(domain)
			key, simple = domain, err == nil
		}
		if !simple {
			if r.pattern = compileGlob(pattern); r.pattern != nil {
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

// keyNameOf leaves out the optional second field, the signer for i=.
func keyNameOf(value string) string {
	name, _, _ := strings.Cut(value, ":")
	return name
}

// compileGlob does what OpenDKIM's dkimf_mkregexp does: "*" is any text, "." and
// "+" stand for themselves, the rest is an extended regular expression. A line
// that is none gives nil; OpenDKIM refuses the whole table then.
func compileGlob(pattern string) *regexp.Regexp {
	re, err := regexp.CompilePOSIX("^" + expandGlob(pattern) + "$")
	if err != nil {
		return nil
	}
	return re
}

func expandGlob(pattern string) string {
	return strings.NewReplacer("*", ".*", "+", `\+`, ".", `\.`).Replace(pattern)
}

// keyName returns the KeyTable name for mail of postmaster at domain, or "".
func (s signing) keyName(domain string) string {
	name := s.lookUp(domain)
	if name == "%" {
		return domain
	}
	return name
}

func (s signing) lookUp(domain string) string {
	address := "postmaster@" + domain
	if !s.refile {
		for key := range exactKeys(domain) {
			if r, ok := s.exact[key]; ok {
				return r.keyName
			}
		}
		return ""
	}
	hit, found := s.exact[domain]
	for _, r := range s.globs {
		if found && r.line > hit.line {
			break
		}
		if r.pattern.MatchString(address) {
			return r.keyName
		}
	}
	return hit.keyName
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

// tablesView is what the daemon would do with both tables.
type tablesView struct {
	names   map[string]keyEntry
	signing signing
	bad     *unloadable // a line with which the daemon can't have loaded the tables
}

// inUse is the key that a domain's mail is signed with.
type inUse struct {
	Selector string `json:"selector"`
	Path     string `json:"path"`
}

// domain returns what signs mail of domain in its own name, if anything does.
func (v tablesView) domain(domain string) (inUse, bool) {
	name := v.signing.keyName(domain)
	if name == "" {
		return inUse{}, false
	}
	e, ok := v.names[name]
	if !ok || e.path == "" || e.domain != "%" && !strings.EqualFold(e.domain, domain) {
		return inUse{}, false
	}
	return inUse{Selector: e.selector, Path: strings.ReplaceAll(e.path, "%", domain)}, true
}
