package opendkim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/signer/existing"
	"github.com/dkimbot/dkimbot/rotate/signer/found"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim/flatfile"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim/onhost"
)

// Existing is a host's tables as they stand, whoever wrote them. It is immutable.
type Existing struct{ view flatfile.View }

// ReadExisting reads a KeyTable and a SigningTable as OpenDKIM does. They are
// given as opendkim.conf names them: paths, with file: or, for the SigningTable,
// refile: before. A bare SigningTable path is a plain file, as there.
func ReadExisting(keyTable, signingTable string) (Existing, error) {
	keys, err := readFlat("KeyTable", strings.TrimPrefix(keyTable, "file:"))
	if err != nil {
		return Existing{}, err
	}
	path, refile := strings.CutPrefix(signingTable, "refile:")
	sign, err := readFlat("SigningTable", strings.TrimPrefix(path, "file:"))
	if err != nil {
		return Existing{}, err
	}
	return Existing{flatfile.View{Entries: flatfile.Entries(keys), Signing: flatfile.ReadSigning(sign, refile)}}, nil
}

// readFlat reads a table that must be there, from a plain file.
func readFlat(table, path string) ([]byte, error) {
	what := "read " + table + " " + path
	if kind, _, ok := strings.Cut(path, ":"); ok && !strings.Contains(kind, "/") {
		return nil, fault.Lasting(what, fmt.Errorf("it is a data set of type %s", kind),
			"only flat files can be read; give the table as file: or refile:, or each key with --key-file")
	}
	data, err := safefile.Read(path, keyfiles.MaxTable)
	if err != nil {
		return nil, fault.Lasting(what, err, "name the table as opendkim.conf does, and run as a user that may read it")
	}
	return data, nil
}

// ExistingKey is a KeyTable entry of a domain.
type ExistingKey struct {
	Selector string
	InUse    bool   // the SigningTable gives the domain's own mail to it
	Path     string // of the key file; "" when the table holds the key itself
	inline   string
}

// Keys returns the entries for a domain, the one in use first, one for each selector.
func (e Existing) Keys(domain string) []ExistingKey {
	var out []ExistingKey
	add := func(selector, location string, inUse bool) {
		twin := slices.ContainsFunc(out, func(k ExistingKey) bool { return strings.EqualFold(k.Selector, selector) })
		if selector == "" || location == "" || twin {
			return
		}
		key := ExistingKey{Selector: selector, InUse: inUse, Path: location}
		if !isPath(location) {
			key.Path, key.inline = "", location
		}
		out = append(out, key)
	}
	if use, ok := e.view.Domain(domain); ok {
		add(use.Selector, use.Path, true)
	}
	first := len(out)
	for _, name := range slices.Sorted(maps.Keys(e.view.Entries)) {
		entry := e.view.Entries[name]
		if strings.EqualFold(entry.Domain, domain) {
			add(entry.Selector, strings.ReplaceAll(entry.Path, "%", domain), false)
		}
	}
	slices.SortFunc(out[first:], func(a, b ExistingKey) int { return cmp.Compare(a.Selector, b.Selector) })
	return out
}

// isPath reports whether the third field of an entry names a file; anything else
// is the key itself (opendkim.conf(5), KeyTable).
func isPath(location string) bool {
	return strings.HasPrefix(location, "/") || strings.HasPrefix(location, "./") || strings.HasPrefix(location, "../")
}

// Read returns the private key's text: a key file's, or the table's own base64.
func (k ExistingKey) Read() ([]byte, error) {
	switch {
	case k.Path == "":
		return []byte(k.inline), nil
	case !filepath.IsAbs(k.Path):
		return nil, fault.Lasting("read key file "+k.Path, errors.New("the path is relative to where the daemon runs"),
			"write the whole path in the KeyTable, or give the key with --key-file")
	}
	data, err := keyfiles.ReadKey(k.Path)
	if err != nil {
		return nil, fault.Lasting("read key file "+k.Path, err, "name a regular file, and run as a user that may read it")
	}
	return data, nil
}

// Programs are those that Find finds.
func (c *Config) Programs() []string { return []string{"OpenDKIM", "docker-mailserver"} }

// Find finds OpenDKIM on a host.
func (c *Config) Find(_ context.Context, h found.Host) []found.Signer {
	return onhost.Find(h, ReadTables)
}

// Existing says how the tables of an OpenDKIM are named and read.
func (c *Config) Existing() existing.Files { return onhost.Files(ReadTables) }

// ReadTables is ReadExisting for those who know keys of any signer.
func ReadTables(keyTable, signingTable string) (existing.Keys, error) {
	return ReadExisting(keyTable, signingTable)
}

// Of is Keys for those who know keys of any signer.
func (e Existing) Of(domain string) (out []existing.Key) {
	for _, k := range e.Keys(domain) {
		where := cmp.Or(k.Path, "the KeyTable")
		out = append(out, existing.Key{Selector: k.Selector, InUse: k.InUse, Where: where, Path: k.Path, Read: k.Read})
	}
	return out
}

// Domains returns the domains whose own mail the tables sign in the domain's name, in order.
func (e Existing) Domains() []string {
	named := map[string]bool{}
	for _, entry := range e.view.Entries {
		named[strings.ToLower(entry.Domain)] = true
	}
	for key := range e.view.Signing.Keys() {
		_, domain, found := strings.Cut(key, "@")
		if !found {
			domain = key
		}
		named[domain] = true
	}
	var out []string
	for name := range named {
		domain, err := dkim.ParseDomain(name)
		if _, use := e.view.Domain(domain); err == nil && use {
			out = append(out, domain)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
