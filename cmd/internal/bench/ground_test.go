package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/providers/nameservertest"
)

// negative is for how long resolvers remember that a name was not there. Nothing
// may use a new key before it has passed, dkimbot and script alike.
const negative = time.Second

// ground is what one bootstrap starts from: a name server with bare zones, an empty
// mount in a Vault, and a directory for everything that is written.
type ground struct {
	names   *nameservertest.Server
	vault   *vaulttest.Server
	mount   string
	dir     string
	domains []string
}

// newGround starts a name server that is authoritative for n domains.
func newGround(tb testing.TB, vault *vaulttest.Server, n int) *ground {
	tb.Helper()
	g := &ground{vault: vault, mount: vault.NewMount(tb), dir: tb.TempDir()}
	var zones []nameservertest.Zone
	for i := range n {
		name := fmt.Sprintf("d%03d.example", i)
		g.domains = append(g.domains, name)
		zones = append(zones, nameservertest.Zone{Name: name, Minimum: negative})
	}
	g.names = nameservertest.Options{Narrow: true}.StartBIND(tb, zones...)
	g.write(tb, "token", vault.RootToken)
	g.write(tb, "tsig.secret", g.names.KeySecret)
	return g
}

func (g *ground) path(name string) string { return filepath.Join(g.dir, name) }

func (g *ground) write(tb testing.TB, name, text string) {
	tb.Helper()
	if err := os.WriteFile(g.path(name), []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// config writes and loads the configuration of the ground. OpenDKIM itself does not
// run: its tables and key files are written, and the reload does nothing.
func (g *ground) config(tb testing.TB) *config.Config {
	tb.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `
state: { path: state.db }
keystore: { driver: vault, address: %q, mount: %s, auth: { method: token, token_file: token } }
providers:
  office: { driver: rfc2136, server: %q, key_name: %s, key_algorithm: %s, key_file: tsig.secret }
signers:
  mx1: { driver: opendkim, key_dir: keys, key_table: key.table, signing_table: "refile:signing.table", reload: ["true"],
         allow_unsafe_keys: true } # temporary directories lie below one that everybody may write to
verify: { nameservers: [%q] }
domains:
`, g.vault.Address, g.mount, g.names.Addr, g.names.KeyName, g.names.KeyAlgorithm, g.names.Addr)
	for _, d := range g.domains {
		fmt.Fprintf(&b, "  - { name: %s, provider: office, signers: [mx1] }\n", d)
	}
	g.write(tb, "dkimbot.yaml", b.String())
	cfg, err := config.Load(g.path("dkimbot.yaml"))
	if err != nil {
		tb.Fatal(err)
	}
	return cfg
}

// check makes sure that the work was done: every selector has one record, a key at
// both selectors is in Vault, and the tables name each domain.
func (g *ground) check(tb testing.TB, secretAt func(domain, selector string) string) {
	tb.Helper()
	keyTable, signingTable := g.read(tb, "key.table"), g.read(tb, "signing.table")
	for _, d := range g.domains {
		for _, s := range []string{"s1", "s2"} {
			name := s + "._domainkey." + d
			if got := g.names.Query(tb, name, "TXT"); len(got) != 1 || !strings.HasPrefix(got[0], "v=DKIM1;") {
				tb.Errorf("%s shows %q", name, got)
			}
			secret, err := g.vault.Root().KVv2(g.mount).Get(tb.Context(), secretAt(d, s))
			if err != nil {
				tb.Error(err)
			} else if key, _ := secret.Data["key"].(string); !strings.Contains(key, "PRIVATE KEY") {
				tb.Errorf("Vault holds no key of %s", name)
			}
		}
		if line := "s1._domainkey." + d + " " + d + ":s1:"; !strings.Contains(keyTable, line) {
			tb.Errorf("no %q in the KeyTable", line)
		}
		if line := "*@" + d + " s1._domainkey." + d; !strings.Contains(signingTable, line) {
			tb.Errorf("no %q in the SigningTable", line)
		}
	}
}

func (g *ground) read(tb testing.TB, name string) string {
	tb.Helper()
	b, err := os.ReadFile(g.path(name))
	if err != nil {
		tb.Error(err)
	}
	return string(b)
}
