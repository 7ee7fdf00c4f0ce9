package dkimpy

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// What dkimpy-milter makes of its tables: this file reads them as it does (_dataset_to_list in config.py, read_keytable
// in util.py, get_identities_sign).

// record is a key of a table; a later line has replaced the value of an earlier one, not its place.
type record struct {
	key    string
	values []string // between colons
}

// records returns what the daemon keeps of a table.
func records(data []byte) (out []record) {
	at := map[string]int{}
	for line := range bytes.Lines(data) {
		f := strings.Fields(string(line))
		if len(f) != 2 || line[0] == '#' {
			continue
		}
		r := record{f[0], strings.Split(f[1], ":")}
		if i, twice := at[r.key]; twice {
			out[i] = r
			continue
		}
		at[r.key] = len(out)
		out = append(out, r)
	}
	return out
}

// inForce returns the lines of a table that count, by their keys: the last one of each.
func inForce(data []byte) map[string]string {
	out := map[string]string{}
	for _, r := range records(data) {
		out[r.key] = strings.Join(r.values, ":")
	}
	return out
}

// entry is what a line of a KeyTable says.
type entry struct{ domain, selector, path string }

func entryOf(r record) (e entry, ok bool) {
	if len(r.values) < 3 {
		return entry{}, false
	}
	return entry{r.values[0], r.values[1], r.values[len(r.values)-1]}, true
}

// loadable refuses lines of others with which the daemon would not start, or would turn all mail away.
func loadable(t *table, keys bool) error {
	n := 0
	for line := range bytes.Lines(t.Foreign) {
		n++
		f := strings.Fields(string(line))
		var err error
		switch {
		case line[0] == '#' || len(f) != 1 && len(f) != 2:
		case len(f) == 1:
			err = errors.New("it is one word, which makes dkimpy-milter read the whole table as a list")
		case keys:
			err = opens(record{f[0], strings.Split(f[1], ":")})
		}
		if err != nil {
			return &fault.Error{Kind: fault.Refused, Code: codes.UnloadableLine, What: "edit table " + t.path,
				Err: fmt.Errorf("dkimpy-milter can't use line %d: %w", t.Numbers[n-1], err), Hint: "correct or remove that line"}
		}
	}
	return nil
}

// opens refuses an entry whose key the daemon can't read: it would not start.
func opens(r record) error {
	e, ok := entryOf(r)
	if !ok {
		return errors.New("it is not of the form domain:selector:path")
	}
	if !isPath(e.path) {
		return errors.New("it holds a key itself, in whose place dkimpy-milter takes that of the line before")
	}
	_, err := os.Stat(e.path)
	return err
}

func isPath(s string) bool {
	return strings.HasPrefix(s, "/") || strings.HasPrefix(s, "./") || strings.HasPrefix(s, "../")
}

// matches reports whether the daemon gives mail of an address to a line with this pattern.
func matches(pattern, address string) bool {
	switch parts := strings.Split(pattern, "*"); {
	case pattern == "%":
		return true
	case len(parts) == 1:
		return pattern == address
	case len(parts) == 2:
		return parts[1] != "" && strings.HasSuffix(address, parts[1])
	}
	return false
}

// pattern is our line's for a domain, and name that of a key's entry.
func pattern(domain string) string { return "*@" + domain }

func name(ref dkim.Ref) string {
	return ref.Selector + "-" + ref.KeyID[:8] + "._domainkey." + ref.Domain
}

// placeholder stands in our block, too: an empty table is one that the daemon can't read.
const placeholder = "dkimbot.invalid"

// noKey is a file in which the daemon finds no key, so that it does not sign with it.
const noKey = "/dev/null"
