package kumomta

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// tokenVariable hands the token to the process that is killed.
const tokenVariable = "DKIMBOT_TEST_VAULT_TOKEN"

// far is a Config for another process.
type far struct {
	Config
	Address string // of Vault
}

func TestMain(m *testing.M) {
	signertest.Main(m, func(name string, cfg far, step func(string) error) (signertest.Signer, error) {
		cfg.Name = name
		s, err := New(cfg.Config)
		if err == nil {
			s.step = step
		}
		if err == nil && cfg.Address != "" {
			s.vault, err = signertest.OpenVault(cfg.Address, os.Getenv(tokenVariable))
		}
		return s, err
	})
}

// theirs is a data file of the operator, which dkim_sign:setup lists first: what it says of keys must not count for the
// domains of dkimbot.
const theirs = `[base]
selector = "mail"
headers = ["From", "To"]
[domain."a.example"]
selector = "old"
algo = "ed25519"
filename = "/nonexistent/old.key"
over_sign = true
`

// start makes a KumoMTA's files, and the adapter for them.
func start(t testing.TB, edit func(*Config)) (*kumod, *Signer) {
	t.Helper()
	dir := signertest.SafeDir(t)
	cfg := Config{Name: "kumo", File: filepath.Join(dir, "dkimbot.toml"), Keys: inFiles,
		KeyDir: filepath.Join(dir, "dkim"),
		Owner:  "nobody"}
	if edit != nil {
		edit(&cfg)
	}
	other := filepath.Join(dir, "dkim_data.toml")
	write(t, other, theirs)
	write(t, cfg.File, "")
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &kumod{files: []string{other, cfg.File}}, s
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func activate(t testing.TB, s *Signer, keys ...dkim.SigningKey) {
	t.Helper()
	if err := s.Activate(t.Context(), keys); err != nil {
		t.Fatalf("Activate: %v (%s)", err, fault.HintOf(err))
	}
}

// TestConformance guards I1 and I10 with what KumoMTA does, and keeps.
func TestConformance(t *testing.T) {
	signertest.Run(t, func(t *testing.T) signertest.Subject {
		k, s := start(t, nil)
		k.files = k.files[1:] // nothing is active at first
		return signertest.Subject{Signer: s, SignsWith: k.signsWith}
	})
}

// stored puts the keys into the keystore before they are activated, as dkimbot does.
type stored struct {
	*Signer
	keys *vault.Store // nil where KumoMTA does not read it
}

func (s stored) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	if err := s.put(ctx, keys); err != nil {
		return err
	}
	return s.Signer.Activate(ctx, keys)
}

func (s stored) put(ctx context.Context, keys []dkim.SigningKey) error {
	for _, k := range keys {
		if s.keys == nil {
			return nil
		}
		if k.Name.Check() != nil {
			continue
		}
		_, newest, err := s.keys.Get(ctx, k.Name, 0)
		if err != nil {
			return err
		}
		if _, err := s.keys.Put(ctx, k.Name, k.Key, newest); err != nil {
			return err
		}
	}
	return nil
}

// startInVault makes the same with the keys in a mount of their own.
func startInVault(t *testing.T, srv *vaulttest.Server, lent signer.Vault) (*kumod, stored) {
	t.Helper()
	mount := srv.NewMount(t)
	k, s := start(t, func(c *Config) { c.Keys, c.Mount, c.KeyDir, c.Owner = inVault, mount, "", "" })
	s.UseVault(lent)
	keys, err := vault.New(t.Context(), vault.Config{Address: srv.Address, Mount: mount, Prefix: "dkim",
		Auth: vault.Token{Token: func() (string, error) { return srv.RootToken, nil }}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	write(t, k.files[0], fmt.Sprintf("[base]\nvault_mount = %q\nvault_path_prefix = \"another\"\n", mount))
	k.vault = lent
	return k, stored{s, keys}
}

// TestInVault guards I1, I7 and I10 where KumoMTA reads the keystore itself, in a real Vault.
func TestInVault(t *testing.T) {
	srv := vaulttest.Start(t)
	lent, err := signertest.OpenVault(srv.Address, srv.RootToken)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("conformance", func(t *testing.T) {
		signertest.Run(t, func(t *testing.T) signertest.Subject {
			k, s := startInVault(t, srv, lent)
			return signertest.Subject{Signer: s, SignsWith: k.signsWith}
		})
	})
	t.Run("crash", func(t *testing.T) {
		t.Setenv(tokenVariable, srv.RootToken)
		crash(t, 8, func() (*kumod, stored, far) {
			k, s := startInVault(t, srv, lent)
			return k, s, far{s.cfg, srv.Address}
		})
	})
}

// TestAnotherKeyInVault: KumoMTA would sign with what stands in Vault, so a key that does not is refused.
func TestAnotherKeyInVault(t *testing.T) {
	srv := vaulttest.Start(t)
	lent, err := signertest.OpenVault(srv.Address, srv.RootToken)
	if err != nil {
		t.Fatal(err)
	}
	_, s := start(t, func(c *Config) { c.Keys, c.KeyDir, c.Owner = inVault, "", "" })
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{key}), "", "keystore.driver: vault")
	s.UseVault(lent)
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{key}), "", "secret/dkim/a.example/s1",
		"keystore.mount")
	write(t, s.cfg.File, "[base]\nvault_mount = \"kv\"\n")
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{key}), "foreign-signer-line", `vault_mount = "kv"`)
	otherKeyThere(t, srv, lent)
}

// TestLag guards I10: KumoMTA signs with the key from before for as long as it keeps what it has read, and never longer
// than Lag says; what another data file says of the domain's key does not count.
func TestLag(t *testing.T) {
	k, s := start(t, nil)
	keys := signertest.Keys(t, 2)
	old, now := signertest.At("a.example", "s1", keys[0]), signertest.At("a.example", "s2", keys[1])
	activate(t, s, old)
	if ref := k.signsWith(t, "a.example"); ref != old.Ref() {
		t.Fatalf("%+v", ref)
	}
	activate(t, s, now)
	for passed := time.Duration(0); ; passed += time.Minute {
		ref := k.signsWith(t, "a.example")
		if ref == now.Ref() && passed > 0 {
			t.Logf("after %v", passed)
			break
		}
		if ref != old.Ref() || passed > s.Lag() {
			t.Fatalf("after %v: %+v", passed, ref)
		}
	}
	if small, err := dkim.Generate(dkim.Ed25519); err != nil {
		t.Fatal(err)
	} else {
		activate(t, s, signertest.At("a.example", "e1", small))
		k.pass(s.Lag())
		if ref := k.signsWith(t, "a.example"); ref.KeyID != small.ID() {
			t.Errorf("Ed25519: %+v", ref)
		}
	}
}

// TestCrash guards I1 and I7: wherever the process is killed, every domain is signed with exactly one key, the old or
// the new one, Active says which, and running again completes the switch.
func TestCrash(t *testing.T) {
	crash(t, 10, func() (*kumod, stored, far) {
		k, s := start(t, nil)
		return k, stored{Signer: s}, far{Config: s.cfg}
	})
}

// crash does it with a fresh one for each operation, of which there are at least fewest.
func crash(t *testing.T, fewest int32, fresh func() (*kumod, stored, far)) {
	keys := signertest.Keys(t, 2)
	completed := false
	for n := int32(1); !completed; n++ {
		k, s, cfg := fresh()
		var old, now []dkim.SigningKey
		for _, d := range []string{"a.example", "b.example"} {
			old, now = append(old, signertest.At(d, "s1", keys[0])), append(now, signertest.At(d, "s2", keys[1]))
		}
		if err := errors.Join(s.Activate(t.Context(), old), s.put(t.Context(), now)); err != nil {
			t.Fatal(err)
		}
		killed, err := signertest.Elsewhere(t, "kumo", cfg, n, now...)
		if err != nil {
			t.Fatal(err)
		}
		if completed = !killed; completed && n < fewest {
			t.Fatalf("only %d operations; the test does not see them", n)
		}
		active, err := s.Active(t.Context(), []string{"a.example", "b.example"})
		for i := range now {
			if ref := k.signsWith(t, now[i].Domain); err != nil || ref != active[now[i].Domain] ||
				ref != old[i].Ref() && ref != now[i].Ref() {
				t.Fatalf("killed before operation %d: %+v, and Active says %v, %v", n, ref, active, err)
			}
		}
		activate(t, s.Signer, now...)
		k.pass(s.Lag())
		if ref := k.signsWith(t, "a.example"); ref != now[0].Ref() {
			t.Fatalf("after running again: %+v", ref)
		}
	}
}

// TestTwoProcesses guards I8: neither loses the other's lines.
func TestTwoProcesses(t *testing.T) {
	_, s := start(t, nil)
	k := signertest.Keys(t, 2)
	var wg sync.WaitGroup
	for p := range 4 {
		wg.Go(func() {
			for round := range 3 {
				key := signertest.At(fmt.Sprintf("p%d.example", p), fmt.Sprintf("s%d", round%2+1), k[round%2])
				if _, err := signertest.Elsewhere(t, "kumo", far{Config: s.cfg}, 0, key); err != nil {
					t.Errorf("process %d: %v", p, err)
				}
			}
		})
	}
	wg.Wait()
	for p := range 4 {
		want := signertest.At(fmt.Sprintf("p%d.example", p), "s1", k[0]).Ref()
		if active, err := s.Active(t.Context(), []string{want.Domain}); err != nil || active[want.Domain] != want {
			t.Errorf("Active: %+v, %v; want %+v", active, err, want)
		}
	}
}

// TestOthersTables guards I6: what others wrote into the file stays, and signs; a table of a domain of dkimbot's can't
// be given twice.
func TestOthersTables(t *testing.T) {
	k, s := start(t, nil)
	keys := signertest.Keys(t, 2)
	file := filepath.Join(filepath.Dir(s.cfg.File), "their.key")
	write(t, file, string(keys[0].PEM()))
	foreign := fmt.Sprintf("# of ours\n[domain.'b.example']\nselector = 'mail'\nfilename = '%s'\n"+
		"[domain.\"*.c.example\"]\n"+
		"selector = \"w\"\nfilename = %q\nheaders = [\"From\"]", file, file)
	write(t, s.cfg.File, foreign)
	activate(t, s, signertest.At("a.example", "s1", keys[1]))
	if text := read(t, s.cfg.File); !strings.HasPrefix(text, foreign+"\n# BEGIN dkimbot") {
		t.Errorf("%s", text)
	}
	for domain, selector := range map[string]string{"a.example": "s1", "b.example": "mail"} {
		if ref := k.signsWith(t, domain); ref.Selector != selector {
			t.Errorf("%s: %+v", domain, ref)
		}
	}
	active, err := s.Active(t.Context(), []string{"a.example", "b.example", "x.c.example", "c.example"})
	if err != nil || len(active) != 3 || active["x.c.example"].Selector != "w" ||
		active["b.example"].KeyID != keys[0].ID() {
		t.Errorf("Active: %v, %v", active, err)
	}
	next := signertest.At("b.example", "s1", keys[1])
	_, whichever := s.Screen(t.Context(), []dkim.SigningKey{{Name: next.Name}})
	err = s.Activate(t.Context(), []dkim.SigningKey{next})
	if fmt.Sprint(whichever) != fmt.Sprint(err) {
		t.Errorf("foreseen: %v; came: %v", whichever, err)
	}
	signertest.WantCode(t, err, "foreign-signer-line", "b.example", "move the table to another data file")
	s1, link := signertest.At("a.example", "s1", keys[1]).Ref(), filepath.Join(filepath.Dir(file), "link.key")
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{s1}), "key-in-use", "activate the other")
	activate(t, s, signertest.At("a.example", "s2", keys[0]))
	if err := os.Symlink(s.store.File(s1), link); err != nil { // a link of theirs is another name of the file
		t.Fatal(err)
	}
	was := read(t, s.cfg.File)
	for _, table := range []string{"[domain.'d.example']\n", "[signature.esp]\ndomain = 'esp.example'\n"} {
		write(t, s.cfg.File, fmt.Sprintf("%sselector = 'own'\nfilename = '%s'\n%s", table, link, was))
		signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{s1}), "key-in-use", "a table of")
	}
}

// TestRefused guards I1: a file that KumoMTA would refuse ends all signing. It is not written, and said by screening,
// switch and preflight alike.
func TestRefused(t *testing.T) {
	for text, words := range map[string]string{
		"[domain]\n":                                 "already exists",
		"[domain.\"b.example\"]\nkey = \"x\"\n":      "knows no field key",
		"[domain.\"b.example\"]\nSelector = \"x\"\n": "knows no field Selector",
		"[base]\nvault_key = \"k\"\n":                "knows no field vault_key",
		"[base]\nselector = 1\n":                     "is not a text",
		"[base]\nheaders = [1]\n":                    "is not a list of texts",
		"[base]\nover_sign = \"yes\"\n":              "is not true or false",
		"[base]\nexpiration = \"1d\"\n":              "is not a number",
		"[domain.\"b.example\"]\nalgo = \"sha1\"\n":  "is not one of sha256, ed25519",
		"[signature.x]\nselector = \"s\"\n":          "has no domain",
		"domain = 1\n":                               "domain is not a table",
		"[domain]\n\"b.example\" = 1\n":              "is not a table",
		"[domian.\"b.example\"]\n":                   "knows no table or field domian",
		"[base\n":                                    "line 1",
		"[base]\nvault_mount = \"secret\"\n":         "write keys: vault",
		"# BEGIN dkimbot\n":                          "# END dkimbot",
		"# BEGIN dkimbot for signer \"mx\": x\n[domain]\n# END dkimbot\n": "mx",
	} {
		_, s := start(t, nil)
		write(t, s.cfg.File, text)
		key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
		err := s.Activate(t.Context(), []dkim.SigningKey{key})
		if faulttest.Shown(t, err); err == nil || !strings.Contains(err.Error()+fault.HintOf(err), words) {
			t.Errorf("%q: %v (%s); want %q", text, err, fault.HintOf(err), words)
		}
		if read(t, s.cfg.File) != text {
			t.Errorf("%q was written", text)
		}
		answers := preflighttest.Wrong(preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer",
			Questions: s.Check([]preflight.Subject{{Name: key.Name}})}}, preflight.Usual))
		if text != "[domain]\n" && answers == nil {
			t.Errorf("%q: the preflight finds nothing", text)
		}
	}
}

// TestSignedTwice guards I1: a second signature in the domain's own name is reported, and no switch is tried.
func TestSignedTwice(t *testing.T) {
	_, s := start(t, nil)
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	activate(t, s, key)
	write(t, s.cfg.File, "[base]\nadditional_signatures = [\"esp\", \"own\"]\n[signature.esp]\ndomain = \"esp.example\"\n"+
		"[signature.own]\ndomain = \"a.example\"\n"+read(t, s.cfg.File))
	_, err := s.Active(t.Context(), []string{"a.example"})
	signertest.WantCode(t, err, "foreign-signer-line", "own", "additional_signatures")
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{key}), "foreign-signer-line", "own")
	if _, err := s.Active(t.Context(), []string{"b.example"}); err != nil {
		t.Error(err)
	}
}

// TestValidate: where KumoMTA's own check fails, the file becomes what it was.
func TestValidate(t *testing.T) {
	k, s := start(t, nil)
	keys := signertest.Keys(t, 2)
	s.cfg.Validate = []string{"grep", "-q", "selector = \"s1\"", s.cfg.File}
	activate(t, s, signertest.At("a.example", "s1", keys[0]))
	before := read(t, s.cfg.File)
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s2", keys[1])}), "",
		"validate data file", "the file is what it was")
	if read(t, s.cfg.File) != before || k.signsWith(t, "a.example").Selector != "s1" {
		t.Errorf("%s", read(t, s.cfg.File))
	}
	s2 := []dkim.SigningKey{signertest.At("a.example", "s2", keys[1])}
	for script, want := range map[string]string{"echo init.lua:3: no helper; exit 1": "it said: init.lua:3: no helper",
		"find $0 -type f -exec cat {} +; exit 1": "it said: something with a private key in it"} {
		s.cfg.Validate = []string{"sh", "-c", script, s.cfg.KeyDir}
		err := s.Activate(t.Context(), s2)
		signertest.WantCode(t, err, "", "exit status 1; "+want)
		if lines := strings.Split(string(keys[1].PEM()), "\n"); strings.Contains(err.Error(), lines[len(lines)-3]) {
			t.Errorf("a key is shown: %v", err)
		}
	}
	s.cfg.Validate = []string{"sed", "-i", "s/s2-/s3-/", s.cfg.File}
	signertest.WantCode(t, s.Activate(t.Context(), s2), "", "something else", "another program")
	s.cfg.Validate = []string{"sh", "-c", "rm -r $1; false", "sh", filepath.Dir(s.cfg.File)}
	signertest.WantCode(t, s.Activate(t.Context(), s2), "", "put the file back by hand")
}

// TestHostileUser: a link that KumoMTA's user puts into the place of a key leads root nowhere.
func TestHostileUser(t *testing.T) {
	_, s := start(t, nil)
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	activate(t, s, signertest.At("b.example", "s1", key.Key))
	signertest.PlantedLink(t, filepath.Dir(s.cfg.File), s.cfg.KeyDir, filepath.Join(s.cfg.KeyDir, "a.example"), true,
		func() error { return s.Activate(t.Context(), []dkim.SigningKey{key}) })
	if text := read(t, s.cfg.File); strings.Contains(text, "a.example") {
		t.Errorf("the domain was switched to a key that could not be written:\n%s", text)
	}
	if err := os.Chmod(s.cfg.File, 0o600); err != nil {
		t.Fatal(err)
	}
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{signertest.At("b.example", "s2", key.Key)}),
		"unreadable-table", "can't be read by", "&& chmod")
}

// TestConfig: each mistake in the configuration is named.
func TestConfig(t *testing.T) {
	for _, edit := range []func(*Config){
		func(c *Config) { c.File = "" },
		func(c *Config) { c.File = "/etc/kumo/dkim.json" },
		func(c *Config) { c.Keys = "redis" },
		func(c *Config) { c.KeyDir = "" },
		func(c *Config) { c.Mount = "secret" },
		func(c *Config) { c.Keys = inVault },
		func(c *Config) { c.Keys, c.KeyDir, c.Path = inVault, "", "dkim/" },
		func(c *Config) { c.Owner, c.KeyDir = "", "/" },
	} {
		cfg := Config{Name: "kumo", File: "/opt/kumomta/etc/policy/dkimbot.toml", Keys: inFiles,
			KeyDir: "/opt/kumomta/etc/dkim",
			Owner:  "root"}
		edit(&cfg)
		_, err := cfg.Open("kumo", settings.Secrets{})
		faulttest.Shown(t, err)
	}
}

// TestUnlisted: a data file that is missing can't be one that KumoMTA reads, and the check says so before a switch.
func TestUnlisted(t *testing.T) {
	_, s := start(t, nil)
	found := func() string { return s.Check(nil)[0].Found() }
	if said := found(); said != "" {
		t.Errorf("with the file it says %q", said)
	}
	if err := os.Remove(s.cfg.File); err != nil {
		t.Fatal(err)
	}
	if said := found(); !strings.Contains(said, "does not read it yet") || !strings.Contains(said, "dkim_sign:setup") {
		t.Errorf("without it, it says %q", said)
	}
}

// BenchmarkSwitch switches 1,000 domains: KumoMTA reads the file again by itself.
func BenchmarkSwitch(b *testing.B) {
	_, s := start(b, nil)
	step, counts := signertest.Counting(func(operation string) string {
		if strings.HasPrefix(operation, "rename") && strings.Contains(operation, "toml") {
			return "writes"
		}
		return ""
	})
	s.step = step
	signertest.Switch1000(b, s, counts)
}
