package onhost

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/existing"
	"github.com/dkimbot/dkimbot/rotate/signer/found"
)

// DataSet returns the type of a table, "file" for a bare path.
func DataSet(value string) string {
	kind, _, found := strings.Cut(value, ":")
	switch {
	case found && !strings.Contains(kind, "/"):
		return strings.ToLower(kind)
	case strings.HasPrefix(value, "/"):
		return "file"
	}
	return "csl"
}

// BareTable is a table's path without what stands before it.
func BareTable(value string) string { return filepath.Clean(value[strings.IndexByte(value, ':')+1:]) }

// Odd says what is to be done about a table that dkimbot can't write.
func Odd(table, value string) string {
	return fmt.Sprintf("its %s is %s. dkimbot writes flat files: move the table to file: or refile: and a whole path, "+
		"or let 'driver: exec' run a command of your own (dkimbot-hooks(7)).", table, value)
}

// FromTables reads which domains the tables sign.
func FromTables(s *found.Signer, h found.Host, read ReadTables, keys, signing string) {
	below := func(table string) string {
		i := strings.IndexByte(table, ':') + 1
		return table[:i] + h.At(table[i:])
	}
	tables, err := read(below(keys), below(signing))
	if err != nil {
		s.Remark(err.Error() + ".")
		return
	}
	for _, name := range tables.Domains() {
		use := tables.Of(name)[0]
		s.Domains = append(s.Domains, found.Domain{Name: name, Selector: use.Selector, Key: cmp.Or(use.Path, "in the KeyTable"),
			Bits: h.Bits(use.Path), Adopt: []string{"--from-opendkim", keys, "--signing-table", signing}})
	}
}

// StockDomains returns what Domain lists: names with commas, or a file with a name a line. odd reports that
// something else is listed, too.
func StockDomains(s *found.Signer, h found.Host, value string) (out []string, odd bool) {
	text := strings.TrimPrefix(value, "csl:")
	if kind := DataSet(value); kind == "file" || kind == "refile" {
		data, err := h.Read(BareTable(value))
		if err != nil {
			s.Remark("the domains in " + value + " can't be read: " + err.Error() + ".")
			odd = true
		}
		text = string(data)
	}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
			name, err := dkim.ParseDomain(strings.TrimSuffix(word, "."))
			switch {
			case err != nil:
				s.Remark(fmt.Sprintf("Domain lists %q, which is no domain that dkimbot can list.", word))
				odd = true
			case !slices.Contains(out, name):
				out = append(out, name)
			}
		}
	}
	return out, odd || len(out) == 0
}

// Files says that keys are named in a KeyTable and a SigningTable.
func Files(read ReadTables) existing.Files {
	return existing.Files{
		Flags: []existing.Flag{
			{Name: "from-opendkim", Usage: "adopt keys that OpenDKIM's `KEYTABLE` names, as opendkim.conf writes it",
				Example: "/etc/opendkim/key.table"},
			{Name: "signing-table", Usage: "with --from-opendkim: its `SIGNINGTABLE`, as opendkim.conf writes it",
				Example: "refile:/etc/opendkim/signing.table"},
		},
		Why:   "the one has the keys, the other says which one signs",
		Where: "the tables",
		Place: "in an OpenDKIM's tables and key files",
		Open:  func(files []string) (existing.Keys, error) { return read(files[0], files[1]) },
	}
}
