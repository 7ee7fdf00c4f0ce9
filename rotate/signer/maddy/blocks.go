package maddy

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// entry is what a domain is signed with.
type entry struct {
	selector string
	pattern  string // of the key file
}

// file returns the key file, as maddy does.
func (e entry) file(domain string) string {
	return strings.NewReplacer("{domain}", domain, "{selector}", e.selector).Replace(e.pattern)
}

// entries is the imported file.
type entries struct {
	signer string // whose it is; "" where there is nothing yet
	of     map[string]entry
}

const (
	firstLine = "# Written by dkimbot for signer "
	restLine  = ". Lines of others have no place here: write them where this file is imported.\n"
)

// parse reads the file; one that is empty, or not there, says nothing. Whatever dkimbot can't have written is refused.
func parse(data []byte) (entries, error) {
	e := entries{of: map[string]entry{}}
	if len(bytes.TrimSpace(data)) == 0 {
		return e, nil
	}
	head, rest, _ := strings.Cut(string(data), "\n")
	quoted, err := strconv.QuotedPrefix(strings.TrimPrefix(head, firstLine))
	if !strings.HasPrefix(head, firstLine) || err != nil {
		return e, errors.New("its first line is not dkimbot's")
	}
	e.signer, _ = strconv.Unquote(quoted)
	lines := strings.Split(strings.TrimSuffix(rest, "\n"), "\n")
	if rest == "" {
		lines = nil
	}
	for i := 0; i < len(lines); i += 3 {
		if len(lines) < i+3 || !e.take(lines[i], lines[i+1], lines[i+2]) {
			return e, fmt.Errorf("dkimbot did not write it so: see line %d", i+2)
		}
	}
	return e, nil
}

// take reads one directive.
func (e entries) take(head, path, end string) bool {
	words := strings.Split(head, " ")
	pattern, ok := strings.CutPrefix(path, "\tkey_path ")
	if !ok || end != "}" || len(words) < 4 || words[0] != "dkim" || words[len(words)-1] != "{" || !written(pattern) {
		return false
	}
	selector := words[len(words)-2]
	for _, domain := range words[1 : len(words)-2] {
		_, twice := e.of[domain]
		if twice || (dkim.Name{Domain: domain, Selector: selector}).Check() != nil {
			return false
		}
		e.of[domain] = entry{selector, pattern}
	}
	return true
}

// written reports whether a pattern is of those that dkimbot writes.
func written(pattern string) bool {
	rest, ok := strings.CutSuffix(pattern, ".key")
	at := strings.LastIndex(rest, ".")
	if !ok || at < 0 || !strings.HasPrefix(pattern, "/") || !strings.HasSuffix(rest[:at], names) {
		return false
	}
	n, err := strconv.Atoi(rest[at+1:])
	return err == nil && n > 0 && strconv.Itoa(n) == rest[at+1:] &&
		!strings.ContainsAny(strings.TrimSuffix(rest[:at], names), "\"\\{}$# \t\r\v\f")
}

// names is the part of a pattern that stands for the names of a key.
const names = "/{domain}_{selector}"

// bytes renders the file.
func (e entries) bytes() []byte {
	if len(e.of) == 0 && e.signer == "" {
		return nil
	}
	directives := map[entry][]string{}
	for domain, of := range e.of {
		directives[of] = append(directives[of], domain)
	}
	var b bytes.Buffer
	b.WriteString(firstLine + strconv.Quote(e.signer) + restLine)
	for _, of := range slices.SortedFunc(maps.Keys(directives), func(x, y entry) int {
		return strings.Compare(x.selector+" "+x.pattern, y.selector+" "+y.pattern)
	}) {
		domains := directives[of]
		slices.Sort(domains)
		fmt.Fprintf(&b, "dkim %s %s {\n\tkey_path %s\n}\n", strings.Join(domains, " "), of.selector, of.pattern)
	}
	return b.Bytes()
}
