package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/providers"
)

// TestZoneFilesAreReadOnce: a file that holds the records of very many domains is read once, and not for each of
// them: a daemon with 100,000 domains in one zone would not begin its work for minutes. A file that is missing is
// named for each.
func TestZoneFilesAreReadOnce(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	lab := map[string]providers.Config{"lab": {Account: &providers.ZoneFile{Dir: dir}}}
	text := "$ORIGIN customers.test.\n$TTL 60\n@ SOA ns h 1 3600 600 604800 60\n@ NS ns\n" +
		strings.Repeat("ns A 127.0.0.1\n", 400)
	if err := os.WriteFile(filepath.Join(dir, "customers.test.zone"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	work := func(domains int, zone string) float64 {
		cfg := &config.Config{Providers: lab}
		for i := range domains {
			d := config.Domain{Zone: zone}
			d.Name, d.Provider = fmt.Sprintf("d%d.customers.test", i), "lab"
			cfg.Domains = append(cfg.Domains, d)
		}
		return testing.AllocsPerRun(1, func() {
			if found := ZoneFiles(cfg); len(found.Errs) != 0 || len(found.Missing) != 0 {
				t.Errorf("%+v", found)
			}
		})
	}
	for _, zone := range []string{"customers.test", ""} {
		if one, many := work(1, zone), work(40, zone); many > 6*one {
			t.Errorf("zone %q: %.0f allocations for one domain, %.0f for 40", zone, one, many)
		}
	}
	cfg := &config.Config{Providers: lab}
	for _, name := range []string{"a.other.test", "b.other.test"} {
		d := config.Domain{Zone: "other.test"}
		d.Name, d.Provider = name, "lab"
		cfg.Domains = append(cfg.Domains, d)
	}
	if found := ZoneFiles(cfg); len(found.Missing) != 2 {
		t.Errorf("%+v", found)
	}
}
