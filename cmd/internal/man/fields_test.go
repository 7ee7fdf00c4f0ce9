package man_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/man"
)

// Each group of keys has one that does not exist, so that the reader says which do.
const asked = `
nosuchkey: 1
state: { nosuchkey: 1 }
keystore: { driver: file, nosuchkey: 1 }
providers:
  a: { driver: rfc2136, nosuchkey: 1, verify: { nosuchkey: 1 } }
  b: { driver: route53, nosuchkey: 1 }
  c: { driver: cloudflare, nosuchkey: 1 }
  d: { driver: zonefile, nosuchkey: 1 }
signers:
  a: { driver: opendkim, nosuchkey: 1 }
  b: { driver: exec, nosuchkey: 1 }
policies:
  default: { nosuchkey: 1, windows: [{ nosuchkey: 1 }], freezes: [{ nosuchkey: 1 }] }
limits: { nosuchkey: 1, windows: [{ nosuchkey: 1 }], freezes: [{ nosuchkey: 1 }] }
verify: { nosuchkey: 1 }
notify:
  nosuchkey: 1
  hooks: { nosuchkey: 1, before_switch: [{ nosuchkey: 1 }], after: [{ nosuchkey: 1 }], on_failure: [{ nosuchkey: 1 }] }
  webhook: { nosuchkey: 1 }
  mail: { username: u, nosuchkey: 1 }
  heartbeat: { nosuchkey: 1 }
  audit: { nosuchkey: 1 }
domains: [{ nosuchkey: 1, verify: { nosuchkey: 1 } }]
`

// vaults are the ways to log in, which have keys of their own.
var vaults = []string{"token", "approle", "kubernetes"}

// Every key of the configuration stands in dkimbot.yaml(5), and no other.
func TestKeysStandInTheirPage(t *testing.T) {
	read := keys(t, asked)
	for _, method := range vaults {
		const form = "keystore: { driver: vault, nosuchkey: 1, auth: { method: %s, nosuchkey: 1 } }"
		maps.Copy(read, keys(t, fmt.Sprintf(form, method)))
	}
	told := map[string]bool{}
	for _, g := range man.Fields() {
		for _, f := range g.Fields {
			told[f.Path] = true
			if f.Secret {
				told[f.Path+"_file"], told[f.Path+"_env"] = true, true
			}
			if f.Meaning == "" || f.Type == "" && !f.Secret {
				t.Errorf("%s has no meaning or no type", f.Path)
			}
		}
	}
	isGroup := func(key string) bool {
		for f := range told {
			if strings.HasPrefix(f, key+".") || strings.HasPrefix(f, key+"[]") {
				return true
			}
		}
		return false
	}
	for _, key := range slices.Sorted(maps.Keys(read)) {
		if !told[key] && !isGroup(key) {
			t.Errorf("%s stands in no page", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(told)) {
		if !read[key] {
			t.Errorf("the page has %s, and the reader does not know it", key)
		}
	}
}

var (
	ownNames = regexp.MustCompile(`^(providers|signers|policies)\.[^.]+`)
	indexes  = regexp.MustCompile(`\[\d+\]`)
	// What has the same keys wherever it stands is described once.
	alike = []struct {
		form *regexp.Regexp
		as   string
	}{
		{regexp.MustCompile(`^(providers\.NAME|domains\[\])\.verify\.`), "verify."},
		{regexp.MustCompile(`^(limits|policies\.NAME)\.(windows|freezes)\[\]\.`), "limits.windows[]."},
		{regexp.MustCompile(`^notify\.hooks\.\w+\[\]\.`), "notify.hooks.after[]."},
	}
)

// keys returns the paths that the reader knows of the groups in a configuration.
func keys(t *testing.T, text string) map[string]bool {
	t.Helper()
	want := strings.Count(text, "nosuchkey")
	for i := range want { // told once for each name
		text = strings.Replace(text, "nosuchkey:", fmt.Sprintf("nosuchkey%d:", i), 1)
	}
	file := filepath.Join(t.TempDir(), "dkimbot.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := config.Load(file)
	var all config.Errors
	if !errors.As(err, &all) {
		t.Fatalf("the configuration loads: %v", err)
	}
	known, groups := map[string]bool{}, 0
	for _, e := range all {
		_, list, ok := strings.Cut(e.Remedy, "there are: ")
		if !ok || !strings.Contains(e.Problem, "nosuchkey") {
			continue
		}
		groups++
		if strings.HasSuffix(list, "...") {
			t.Errorf("the reader does not name all keys of %s", e.Path)
		}
		group := e.Path[:strings.LastIndexByte(e.Path, '.')+1]
		group = indexes.ReplaceAllString(ownNames.ReplaceAllString(group, "$1.NAME"), "[]")
		for _, a := range alike {
			group = a.form.ReplaceAllString(group, a.as)
		}
		for _, key := range strings.Split(list, ", ") {
			known[group+key] = true
		}
	}
	if groups != want {
		t.Errorf("the reader names the keys of %d groups, want %d", groups, want)
	}
	return known
}
