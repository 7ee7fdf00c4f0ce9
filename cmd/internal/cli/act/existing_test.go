package act

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/keyimport"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/existing"
)

// lamp is a driver that no other file knows: its keys stand in a book, and in a layout of its own in Vault.
type lamp struct{}

func (lamp) Driver() signer.Driver { return signer.Driver{Name: "lamp", Meaning: "a signal lamp"} }

func (lamp) Fields() []settings.Field { return nil }

func (lamp) Open(string, settings.Secrets) (signer.Signer, error) { return nil, nil }

func (lamp) Existing() existing.Files {
	return existing.Files{
		Flags: []existing.Flag{{Name: "from-lamp", Usage: "adopt keys that the `BOOK` holds", Example: "logbook"},
			{Name: "shelf", Usage: "with --from-lamp: the `SHELF` that it stands on", Example: "aft"}},
		Why: "a book stands on a shelf", Where: "the book", Place: "in a book",
		Open: func(files []string) (existing.Keys, error) { return book(filepath.Join(files[1], files[0])), nil },
	}
}

func (lamp) Secrets(domain string, _ []string) []dkim.Name { return []dkim.Name{{Domain: domain}} }

func (lamp) KeysIn(dkim.Name, map[string]any, time.Time) ([]existing.Text, error) { return nil, nil }

// book is a file with one key, for the selector mail of every domain.
type book string

func (b book) Of(string) []existing.Key {
	return []existing.Key{{Selector: "mail", InUse: true, Where: string(b), Path: string(b),
		Read: func() ([]byte, error) { return os.ReadFile(string(b)) }}}
}

func (book) Domains() []string { return nil }

// TestAnotherDriversKeys: a driver more brings the flags with which its keys are adopted, and reads them, although
// no other file knows its name.
func TestAnotherDriversKeys(t *testing.T) {
	drivers := append(config.Builtin().Signers(), lamp{})
	flags := pflag.NewFlagSet("adopt", pflag.ContinueOnError)
	f := adoptFlags{domains: []string{"example.com"}, layouts: layoutsOfDrivers(drivers), named: filesOfDrivers(drivers, flags)}
	of := f.named[len(f.named)-1]
	if got, want := of.synopsis(), "  --from-lamp B --shelf S  in a book\n"; got != want {
		t.Errorf("the help says %q, want %q", got, want)
	}
	key, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	shelf := t.TempDir()
	if err := os.WriteFile(filepath.Join(shelf, "keys"), key.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := flags.Parse([]string{"--from-lamp", "keys"}); err != nil {
		t.Fatal(err)
	}
	if err := f.check(); err == nil ||
		err.Error() != "--from-lamp and --shelf need each other: a book stands on a shelf" {
		t.Errorf("of a flag that is missing: %v", err)
	}
	if err := flags.Parse([]string{"--shelf", shelf}); err != nil {
		t.Fatal(err)
	}
	if err := f.check(); err != nil {
		t.Fatal(err)
	}
	source, err := f.source()
	if err != nil {
		t.Fatal(err)
	}
	found, err := (&keyimport.Finder{Source: source}).Find(t.Context(), rotate.Domain{Name: "example.com"})
	if err != nil || len(found.Keys) != 1 || found.Keys[0].Key.ID() != key.ID() || len(found.Notes) != 1 {
		t.Errorf("found %+v, %v", found, err)
	}
	none := adoptFlags{domains: f.domains, named: filesOfDrivers(drivers, pflag.NewFlagSet("adopt", pflag.ContinueOnError))}
	if err := none.check(); err == nil || !strings.Contains(err.Error(), "--from-lamp") {
		t.Errorf("of no source: %v", err)
	}
	in := adoptFlags{domains: f.domains, vaultPath: "secret/dkim", layout: "lamp", layouts: f.layouts}
	if source, err := in.source(); in.check() != nil || err != nil || source.Vault.Kind.Name != "lamp" {
		t.Errorf("its layout in Vault: %v, %v, %+v", in.check(), err, source)
	}
}
