package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/providers"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/signer/exec"
)

// What right files come to, with defaults, absolute paths and normal names; it
// holds no secret (I9).
func TestGood(t *testing.T) {
	each(t, "good", func(t *testing.T, name, file string, env node.Lookup) {
		c, err := load(name, env)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Warnings) > 0 {
			t.Errorf("warnings: %v", Errors(c.Warnings))
		}
		data, err := json.MarshalIndent(c, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		noSecret(t, string(data)+fmt.Sprintf("%v %+v %#v", c, c, c))
		golden(t, file, string(data))
	})
}

// text loads a configuration from text, in a directory of its own.
func text(t *testing.T, yaml string, env map[string]string) (*Config, error) {
	t.Helper()
	t.Chdir(t.TempDir())
	write(t, "dkimbot.yaml", 0o600, yaml)
	return load("dkimbot.yaml", func(k string) (string, bool) { v, ok := env[k]; return v, ok })
}

func mustText(t *testing.T, yaml string, env map[string]string) *Config {
	t.Helper()
	c, err := text(t, yaml, env)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const twoDomains = `
providers: { lab: { driver: zonefile, dir: /zones, verify: { nameservers: [192.0.2.1], timeout: 5s } } }
signers: { hook: { driver: exec, command: [true-or-not] } }
policies:
  default: { drain: 240h, note: from default }
  other: { settle: 200h }
verify: { mode: both, timeout: 10s, resolvers: [192.0.2.2] }
domains:
  - { name: one.example, provider: lab, signers: [hook], policy: other, verify: { mode: authoritative, resolvers: [] } }
  - { name: two.example, provider: lab, signers: [hook] }
`

// A policy takes from default what it leaves out, and the most specific verify counts.
func TestInheritance(t *testing.T) {
	c := mustText(t, twoDomains, nil)
	one, two := c.Domains[0], c.Domains[1]
	want := builtinPolicy().Policy
	want.Drain, want.Note = 240*time.Hour, "from default"
	if diff := cmp.Diff(want, two.Policy); diff != "" {
		t.Errorf("default policy (-want +got):\n%s", diff)
	}
	want.Settle = 200 * time.Hour
	if diff := cmp.Diff(want, one.Policy); diff != "" {
		t.Errorf("other policy (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Verify{"authoritative", []string{"192.0.2.1:53"}, []string{}, 5 * time.Second},
		one.Verify); diff != "" {
		t.Errorf("verify of one.example (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(Verify{"both", []string{"192.0.2.1:53"}, []string{"192.0.2.2:53"}, 5 * time.Second},
		two.Verify); diff != "" {
		t.Errorf("verify of two.example (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]rotate.Domain{one.Domain, two.Domain}, c.RotateDomains()); diff != "" {
		t.Errorf("RotateDomains (-want +got):\n%s", diff)
	}
}

// The built-in policy is the contract's.
func TestBuiltinPolicy(t *testing.T) {
	want := Policy{Policy: rotate.Policy{
		Schedule: "0 4 1 * *", Timezone: "UTC", Drain: 168 * time.Hour, Settle: 168 * time.Hour,
		Key: "rsa2048", Selectors: [2]string{"s1", "s2"}, TTL: time.Hour, Splay: 6 * time.Hour,
	}}
	got := mustText(t, "{}", nil).Policies["default"]
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDomain(t *testing.T) {
	c := mustText(t, twoDomains, nil)
	for _, name := range []string{"one.example", "ONE.example.", "One.Example"} {
		if d, err := c.Domain(name); err != nil || d.Name != "one.example" {
			t.Errorf("%s: got %v, %v", name, d, err)
		}
	}
	for name, hint := range map[string]string{"tow.example": "did you mean two.example?",
		"else.org": "add it under domains", "a..b": "write the domain"} {
		d, err := c.Domain(name)
		faulttest.Shown(t, err)
		if err == nil || d != nil || !strings.HasPrefix(fault.HintOf(err), hint) || fault.KindOf(err) != fault.Permanent {
			t.Errorf("%s: got %v, %v, hint %q; want hint %q", name, d, err, fault.HintOf(err), hint)
		}
	}
}

// Plans carry the digest: it must change with what a file means and with nothing else.
func TestDigest(t *testing.T) {
	base := mustText(t, twoDomains, nil).Digest()
	reordered := "# a comment\n" +
		strings.Replace(twoDomains, "  - { name: one.example, provider: lab, signers: [hook], policy: other, verify: "+
			"{ mode: authoritative, resolvers: [] } }\n", "", 1) +
		"  - { provider: lab, signers: [hook], policy: other, verify: { mode: authoritative, resolvers: [] }, name: " +
		"ONE.example. }\n"
	if got := mustText(t, reordered, nil).Digest(); len(got) != 64 {
		t.Errorf("digest is %q", got)
	}
	// The default paths lie beside the file, so equal files in two places differ; say the paths.
	fixed := "state: { path: /s }\nkeystore: { path: /k }\n"
	same := mustText(t, fixed+twoDomains, nil).Digest()
	if got := mustText(t, fixed+reordered, nil).Digest(); got != same {
		t.Error("order or comments change the digest")
	}
	if same == base {
		t.Error("paths don't change the digest")
	}
	if got := mustText(t, fixed+strings.Replace(twoDomains, "240h", "241h", 1), nil).Digest(); got == same {
		t.Error("the drain does not change the digest")
	}
	if got := mustText(t, fixed+"notify: { audit: { path: /a } }\n"+twoDomains, nil).Digest(); got != same {
		t.Error("who is notified makes plans stale")
	}
	withToken := func(token string) string {
		return mustText(t, "state: { path: /s }\nkeystore: { driver: vault, address: 'https://v', auth: { token: "+token+
			" } }\n"+twoDomains, nil).Digest()
	}
	if withToken("hunter2") != withToken("hunter3") {
		t.Error("a secret goes into the digest (I9)")
	}
}

// Vault's own environment variables count where the file says nothing.
func TestVaultEnvironment(t *testing.T) {
	env := map[string]string{"VAULT_ADDR": "https://env:8200", "VAULT_TOKEN": "hunter2",
		"VAULT_NAMESPACE": "ns", "VAULT_CACERT": "/ca.pem"}
	v := mustText(t, "keystore: { driver: vault }\n", env).Keystore.Vault
	token, err := v.Auth.Token.Read()
	if v.Address != "https://env:8200" || v.Namespace != "ns" || v.CAFile != "/ca.pem" || v.Mount != "secret" ||
		v.Prefix != "dkim" || token != "hunter2" || err != nil {
		t.Errorf("got %+v, token error %v", v, err)
	}
	v = mustText(t, "keystore: { driver: vault, address: 'https://file:8200', namespace: '', ca_file: mine.pem, auth: "+
		"{ token: own } }\n", env).Keystore.Vault
	token, _ = v.Auth.Token.Read()
	if v.Address != "https://file:8200" || v.Namespace != "" || filepath.Base(v.CAFile) != "mine.pem" ||
		!filepath.IsAbs(v.CAFile) || token != "own" {
		t.Errorf("the environment wins over the file: %+v", v)
	}
}

// Paths, commands and includes are relative to the file that says them, wherever
// the process is.
func TestRelativePaths(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"etc/more", "run"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "etc/dkimbot.yaml"), 0o600,
		"providers: { lab: { driver: zonefile, dir: ../zones } }\nsigners: { hook: { driver: exec, command: "+
			"[./bin/switch, ./x] } }\ninclude: [more/*.yaml]\n")
	write(t, filepath.Join(dir, "etc/more/a.yaml"), 0o600, "- { name: a.example, provider: lab, signers: [hook] }\n")
	t.Chdir(filepath.Join(dir, "run"))
	c, err := Load("../etc/dkimbot.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(dir, "etc/dkimbot.yaml"), filepath.Join(dir, "zones"),
		filepath.Join(dir, "etc/bin/switch"), "./x", filepath.Join(dir, "etc/state.db"), filepath.Join(dir, "etc/keys"),
		"../etc/more/a.yaml"}
	cmd := c.Signers["hook"].Settings.(*exec.Config).Command
	got := []string{c.File, c.Providers["lab"].Account.(*providers.ZoneFile).Dir, cmd[0], cmd[1], c.State.Path,
		c.Keystore.Path, c.Domains[0].File}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// As in a shell, patterns leave out names that begin with a dot, unless they begin with one themselves: an editor's
// lock is a link that leads nowhere.
func TestHiddenIncludes(t *testing.T) {
	t.Chdir(t.TempDir())
	const include = "providers: { lab: { driver: zonefile, dir: zones } }\nsigners: { hook: { driver: exec, command: " +
		"[x] } }\ninclude: [domains.d/*.yaml, '*/more.yaml', domains.d/.own*.yaml]\n"
	write(t, "dkimbot.yaml", 0o600, include)
	for _, name := range []string{"domains.d/a.yaml", "domains.d/.a.yaml", ".git/more.yaml", "other/more.yaml",
		"domains.d/.own.yaml"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		domain := strings.Trim(strings.ReplaceAll(strings.TrimSuffix(name, ".yaml"), "/", "-"), ".") + ".example"
		write(t, name, 0o600, "- { name: "+strings.ReplaceAll(domain, "-.", "-")+", provider: lab, signers: [hook] }\n")
	}
	if err := os.Symlink("root@vm.1:5", "domains.d/.#a.yaml"); err != nil {
		t.Fatal(err)
	}
	c, err := Load("dkimbot.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range c.Domains {
		got = append(got, d.Name)
	}
	if diff := cmp.Diff([]string{"domains.d-a.example", "other-more.example", "domains.d-own.example"}, got); diff != "" {
		t.Errorf("domains (-want +got):\n%s", diff)
	}
	if err := os.Symlink("nowhere", "domains.d/b.yaml"); err != nil {
		t.Fatal(err)
	}
	_, err = Load("dkimbot.yaml")
	const want = "domains.d/b.yaml:1: is a link to a file that does not exist, or was removed just now: remove the link"
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Load changes nothing: the directory is the same before and after.
func TestLoadWritesNothing(t *testing.T) {
	mustText(t, twoDomains, nil)
	entries, err := os.ReadDir(".")
	if err != nil || len(entries) != 1 {
		t.Errorf("found %v, %v; want the configuration alone", entries, err)
	}
}

// A file of many domains is read in a moment, and a mistake in it is found once.
func TestManyDomains(t *testing.T) {
	var b strings.Builder
	b.WriteString(twoDomains)
	for i := range 10_000 {
		fmt.Fprintf(&b, "  - { name: d%d.example, provider: lab, signers: [hook] }\n", i)
	}
	c := mustText(t, b.String(), nil)
	if len(c.Domains) != 10_002 {
		t.Fatalf("got %d domains", len(c.Domains))
	}
	_, err := text(t, b.String()+"  - { name: d77.example, provider: lab, signers: [hook] }\n", nil)
	var errs Errors
	if !errors.As(err, &errs) || len(errs) != 1 {
		t.Errorf("got %v, want one error", err)
	}
}

func BenchmarkLoad(b *testing.B) {
	path := filepath.Join(b.TempDir(), "dkimbot.yaml")
	data := []byte(twoDomains)
	for i := range 10_000 {
		data = fmt.Appendf(data, "  - { name: d%d.example, provider: lab, signers: [hook] }\n", i)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := Load(path); err != nil {
			b.Fatal(err)
		}
	}
}

// A domain's digest changes with all that bears on the domain, and with nothing else.
func TestDomainDigest(t *testing.T) {
	const text = `
state: { path: /s }
keystore: { path: /k }
providers:
  lab: { driver: zonefile, dir: /z }
  far: { driver: zonefile, dir: /far }
signers:
  hook: { driver: exec, command: [/bin/one] }
  other: { driver: exec, command: [/bin/two] }
policies:
  default: { drain: 240h }
  slow: { drain: 480h, selectors: [a, b] }
domains:
  - { name: one.example, provider: lab, signers: [hook] }
  - { name: two.example, provider: far, signers: [other], policy: slow }
`
	same := mustText(t, text, nil).DomainDigest("ONE.example.")
	if len(same) != 64 || mustText(t, text, nil).DomainDigest("three.example") != "" ||
		mustText(t, text, nil).DomainDigest("a..b") != "" {
		t.Fatalf("digest is %q", same)
	}
	for _, c := range []struct {
		old, new string
		differs  bool
	}{
		{"path: /s", "path: /t", true},
		{"path: /k", "path: /l", true},
		{"dir: /z", "dir: /y", true},
		{"[/bin/one]", "[/bin/three]", true},
		{"drain: 240h", "drain: 241h", true},
		{"signers: [hook] }", "signers: [hook, other] }", true},
		{"signers: [hook] }", "signers: [hook], zone: example }", true},
		{"signers: [hook] }", "signers: [hook], verify: { timeout: 1m } }", true},
		{"signers: [hook] }", "signers: [hook], policy: slow }", true},
		{"dir: /far", "dir: /near", false},
		{"[/bin/two]", "[/bin/three]", false},
		{"drain: 480h", "drain: 481h", false},
		{"  - { name: two.example, provider: far, signers: [other], policy: slow }\n", "", false},
		{"domains:", "domains: # a comment", false},
	} {
		if got := mustText(t, strings.Replace(text, c.old, c.new, 1),
			nil).DomainDigest("one.example"); (got != same) != c.differs {
			t.Errorf("%q for %q: differs is %v", c.new, c.old, got != same)
		}
	}
}

// load reads a configuration in an environment.
func load(path string, env node.Lookup) (*Config, error) {
	return build(filepath.Clean(path), env, Builtin(), &node.Findings{})
}

// TestDays: days and weeks are what people write for a drain.
func TestDays(t *testing.T) {
	p := mustText(t, "policies: { a: { drain: 8d, settle: 2w } }\n", nil).Policies["a"]
	if p.Drain != 8*24*time.Hour || p.Settle != 14*24*time.Hour {
		t.Errorf("drain %s, settle %s", p.Drain, p.Settle)
	}
}
