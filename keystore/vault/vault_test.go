package vault_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/keystore"
	"github.com/dkimbot/dkimbot/keystore/keystoretest"
	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

var name = dkim.Name{Domain: "example.com", Selector: "s1"}

func TestConformance(t *testing.T) {
	srv := vaulttest.Start(t)
	keystoretest.Run(t, func(t *testing.T) func() keystore.Keystore {
		mount := srv.NewMount(t)
		return func() keystore.Keystore {
			return open(t, vault.Config{Address: srv.Address, Mount: mount, Prefix: "dkim", Auth: token(srv.RootToken)})
		}
	})
}

// What other programs read, KumoMTA above all.
func TestLayout(t *testing.T) {
	srv := vaulttest.Start(t)
	ks := open(t, rootConfig(srv))
	key := put(t, ks, 0)
	got, err := srv.Root().KVv2("secret").Get(t.Context(), "dkim/example.com/s1")
	if err != nil {
		t.Fatal(err)
	}
	if got.Data["key"] != string(key.PEM()) {
		t.Error("field key is not the PKCS#8 PEM")
	}
	if got.Data["key_id"] != key.ID() {
		t.Errorf("field key_id is %v, want %s", got.Data["key_id"], key.ID())
	}
	record, err := dkim.ParseRecord(fmt.Sprint(got.Data["record"]))
	if err != nil || !record.Key.Equal(key.Public()) {
		t.Errorf("field record is %v: %v", got.Data["record"], err)
	}
	if !strings.HasPrefix(fmt.Sprint(got.Data["public_key"]), "-----BEGIN PUBLIC KEY-----\n") {
		t.Errorf("field public_key is %v", got.Data["public_key"])
	}
	if at, err := time.Parse(time.RFC3339, fmt.Sprint(got.Data["created_at"])); err != nil ||
		time.Since(at).Abs() > time.Minute {
		t.Errorf("field created_at is %v: %v", got.Data["created_at"], err)
	}
	if len(got.Data) != 5 {
		t.Errorf("the secret holds %d fields, want 5", len(got.Data))
	}
}

func TestMountsAndPrefixes(t *testing.T) {
	srv := vaulttest.Start(t)
	srv.Mount(t, "team/mail", "2")
	for _, c := range []struct{ mount, prefix, path string }{
		{"", "", "secret/data/example.com/s1"},
		{"secret", "dkim", "secret/data/dkim/example.com/s1"},
		{"/secret/", "/a/b/", "secret/data/a/b/example.com/s1"},
		{"team/mail", "dkim", "team/mail/data/dkim/example.com/s1"},
	} {
		cfg := rootConfig(srv)
		cfg.Mount, cfg.Prefix = c.mount, c.prefix
		key := put(t, open(t, cfg), 0)
		s, err := srv.Root().Logical().ReadWithContext(t.Context(), c.path)
		if err != nil || s == nil || s.Data["data"].(map[string]any)["key_id"] != key.ID() {
			t.Errorf("mount %q prefix %q: %s holds %v, %v", c.mount, c.prefix, c.path, s, err)
		}
	}
}

// I6: secrets that dkimbot did not make are refused and stay as they are.
func TestForeignSecret(t *testing.T) {
	srv := vaulttest.Start(t)
	stranger := generate(t)
	for title, c := range map[string]struct {
		data map[string]any
		kind fault.Kind
		code codes.Code
	}{
		"something else": {map[string]any{"password": "x"}, fault.Refused, codes.ForeignSecret},
		"key without id": {map[string]any{"key": string(stranger.PEM())}, fault.Refused, codes.ForeignSecret},
		"no key":         {map[string]any{"key_id": stranger.ID()}, fault.Refused, codes.ForeignSecret},
		"broken key": {map[string]any{"key_id": stranger.ID(),
			"key": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}, fault.Refused, codes.ForeignSecret},
		"numbers": {map[string]any{"key_id": 1, "key": 2}, fault.Refused, codes.ForeignSecret},
		"empty":   {map[string]any{}, fault.Refused, codes.ForeignSecret},
		"key of other id": {map[string]any{"key_id": strings.Repeat("0", 64), "key": string(stranger.PEM())},
			fault.Permanent, codes.DamagedKey},
		"old 1024-bit key": {map[string]any{"key_id": "x", "key": weakKey(t)}, fault.Refused, codes.ForeignSecret},
	} {
		t.Run(title, func(t *testing.T) {
			mount := srv.NewMount(t)
			cfg := rootConfig(srv)
			cfg.Mount = mount
			ks := open(t, cfg)
			kv := srv.Root().KVv2(mount)
			if _, err := kv.Put(t.Context(), "dkim/example.com/s1", c.data); err != nil {
				t.Fatal(err)
			}
			_, _, err := ks.Get(t.Context(), name, 0)
			wantFault(t, err, c.kind, c.code, "dkim/example.com/s1")
			_, err = ks.Put(t.Context(), name, stranger, 1)
			wantFault(t, err, c.kind, c.code, "dkim/example.com/s1")
			if c.code == codes.ForeignSecret {
				_, err = ks.Put(t.Context(), name, stranger, 0)
				wantFault(t, err, c.kind, c.code, "dkim/example.com/s1")
				wantFault(t, ks.Destroy(t.Context(), name, 1), c.kind, c.code, "dkim/example.com/s1")
			}
			got, err := kv.Get(t.Context(), "dkim/example.com/s1")
			if err != nil || got.VersionMetadata.Version != 1 || fmt.Sprint(got.Data) != fmt.Sprint(c.data) {
				t.Errorf("the secret is now %v, %v", got, err)
			}
		})
	}
}

// Somebody ran "vault kv delete": told as what it is, with the two ways out, and both work.
func TestDeletedSecret(t *testing.T) {
	srv := vaulttest.Start(t)
	kv := srv.Root().KVv2("secret")
	ks := open(t, rootConfig(srv))
	key := put(t, ks, 0)
	if err := kv.Delete(t.Context(), "dkim/example.com/s1"); err != nil {
		t.Fatal(err)
	}
	_, _, err := ks.Get(t.Context(), name, 0)
	wantFault(t, err, fault.Permanent, codes.DeletedSecret, "vault kv undelete -versions=1 secret/dkim/example.com/s1")
	_, _, err = ks.Get(t.Context(), name, 1)
	wantFault(t, err, fault.Permanent, codes.DeletedSecret, "vault kv destroy -versions=1 secret/dkim/example.com/s1")

	if err := kv.Undelete(t.Context(), "dkim/example.com/s1", []int{1}); err != nil {
		t.Fatal(err)
	}
	wantKey(t, ks, 0, key, 1)

	// Check-and-set with 0 would fail on a deleted secret (vault#15676); with the number it works.
	if err := kv.Delete(t.Context(), "dkim/example.com/s1"); err != nil {
		t.Fatal(err)
	}
	_, err = ks.Put(t.Context(), name, generate(t), 0)
	wantFault(t, err, fault.Transient, codes.VersionConflict, "")
	next := put(t, ks, 1)
	wantKey(t, ks, 0, next, 2)
	if err := ks.Destroy(t.Context(), name, 1); err != nil {
		t.Errorf("destroying a deleted version: %v", err)
	}
	wantKey(t, ks, 1, nil, 1)

	// With its metadata gone there is no trace, and numbers start again.
	if err := kv.DeleteMetadata(t.Context(), "dkim/example.com/s1"); err != nil {
		t.Fatal(err)
	}
	wantKey(t, ks, 0, nil, 0)
	put(t, ks, 0)
}

// An engine that deletes versions by age would take keys from their signers (I1).
func TestEngineThatForgets(t *testing.T) {
	srv := vaulttest.Start(t)
	mount := srv.NewMount(t)
	if _, err := srv.Root().Logical().Write(mount+"/config", map[string]any{"delete_version_after": "720h"}); err != nil {
		t.Fatal(err)
	}
	cfg := rootConfig(srv)
	cfg.Mount = mount
	ks := open(t, cfg)
	_, err := ks.Put(t.Context(), name, generate(t), 0)
	wantFault(t, err, fault.Permanent, "", "delete_version_after")
	if key, _, err := ks.Get(t.Context(), name, 0); key != nil || err != nil {
		t.Errorf("I1: the key that goes by itself can be taken up at the next try: %v, %v", key, err)
	}
	refused := 0
	for _, q := range ks.Check([]preflight.Subject{{Name: name}}) {
		if err := q.Ask(t.Context()); err != nil {
			refused++
			wantFault(t, err, fault.Permanent, "", "delete_version_after")
		}
	}
	if refused != 1 {
		t.Errorf("%d questions say it beforehand", refused)
	}
}

func TestConfig(t *testing.T) {
	good := vault.Config{Address: "http://127.0.0.1:1", Auth: token("x")}
	for title, c := range map[string]struct {
		change func(*vault.Config)
		hint   string
	}{
		"no auth":       {func(c *vault.Config) { c.Auth = nil }, "keystore.auth"},
		"no URL":        {func(c *vault.Config) { c.Address = "vault.example.com" }, "keystore.address"},
		"host and port": {func(c *vault.Config) { c.Address = "vault.example.com:8200" }, "keystore.address"},
		"broken URL":    {func(c *vault.Config) { c.Address = "http://[::1" }, "keystore.address"},
		"password in URL": {func(c *vault.Config) { c.Address = "https://user:hunter2@vault.example.com" },
			"keystore.address"},
		"other scheme":      {func(c *vault.Config) { c.Address = "ftp://vault.example.com" }, "keystore.address"},
		"CA file missing":   {func(c *vault.Config) { c.CAFile = "/nonexistent/ca.pem" }, "keystore.ca_file"},
		"CA file is no CA":  {func(c *vault.Config) { c.CAFile = empty(t, 0o644) }, "keystore.ca_file"},
		"CA file of others": {func(c *vault.Config) { c.CAFile = empty(t, 0o666) }, "chmod go-w"},
		"mount escapes":     {func(c *vault.Config) { c.Mount = "../sys" }, "keystore.mount"},
		"prefix escapes":    {func(c *vault.Config) { c.Prefix = "dkim/../../sys" }, "keystore.prefix"},
		"prefix and query":  {func(c *vault.Config) { c.Prefix = "dkim?x" }, "keystore.prefix"},
		"double slash":      {func(c *vault.Config) { c.Prefix = "a//b" }, "keystore.prefix"},
	} {
		t.Run(title, func(t *testing.T) {
			cfg := good
			c.change(&cfg)
			_, err := vault.New(t.Context(), cfg)
			wantFault(t, err, fault.Permanent, "", c.hint)
			if strings.Contains(fmt.Sprint(err), "hunter2") {
				t.Errorf("the error shows the password: %v", err)
			}
		})
	}
}

func BenchmarkPut(b *testing.B) {
	ks := open(b, rootConfig(vaulttest.Start(b)))
	key := generate(b)
	for i := 0; b.Loop(); i++ {
		n := dkim.Name{Domain: fmt.Sprintf("d%d.example", i), Selector: "s1"}
		if _, err := ks.Put(b.Context(), n, key, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPutParallel(b *testing.B) {
	ks := open(b, rootConfig(vaulttest.Start(b)))
	key := generate(b)
	b.SetParallelism(8)
	var next atomic.Int64
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := dkim.Name{Domain: fmt.Sprintf("d%d.example", next.Add(1)), Selector: "s1"}
			if _, err := ks.Put(b.Context(), n, key, 0); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkGet(b *testing.B) {
	ks := open(b, rootConfig(vaulttest.Start(b)))
	put(b, ks, 0)
	for b.Loop() {
		if _, _, err := ks.Get(b.Context(), name, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// fixed returns a secret that never changes.
func fixed(s string) vault.Secret { return func() (string, error) { return s, nil } }

func token(s string) vault.Auth { return vault.Token{Token: fixed(s)} }

func rootConfig(srv *vaulttest.Server) vault.Config {
	return vault.Config{Address: srv.Address, CAFile: srv.CAFile, Prefix: "dkim", Auth: token(srv.RootToken)}
}

// open returns a store that is closed when the test ends.
func open(t testing.TB, cfg vault.Config) *vault.Store {
	t.Helper()
	ks, err := vault.New(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ks.Close() })
	return ks
}

func generate(t testing.TB) *dkim.PrivateKey {
	t.Helper()
	key, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func put(t testing.TB, ks *vault.Store, after int) *dkim.PrivateKey {
	t.Helper()
	key := generate(t)
	if v, err := ks.Put(t.Context(), name, key, after); err != nil || v != after+1 {
		t.Fatalf("Put after %d = %d, %v", after, v, err)
	}
	return key
}

func wantKey(t testing.TB, ks *vault.Store, version int, key *dkim.PrivateKey, number int) {
	t.Helper()
	got, v, err := ks.Get(t.Context(), name, version)
	if err != nil || v != number || fmt.Sprint(got) != fmt.Sprint(key) {
		t.Errorf("Get(%d) = %v, %d, %v; want %v, %d", version, got, v, err, key, number)
	}
}

// wantFault wants an error that says what to do and shows no secret (I9).
func wantFault(t testing.TB, err error, kind fault.Kind, code codes.Code, hint string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Errorf("error %v is no fault", err)
		return
	}
	faulttest.Shown(t, err)
	if got := fault.HintOf(err); f.Kind != kind || fault.CodeOf(err) != code || !strings.Contains(got, hint) || got == "" {
		t.Errorf("fault %q: kind %d code %q hint %q, want kind %d code %q hint with %q", err, f.Kind, fault.CodeOf(err), got,
			kind, code, hint)
	}
	for _, secret := range []string{"PRIVATE KEY", "hvs."} {
		faulttest.Shown(t, err)
		if text := fmt.Sprintf("%v %#v %s", err, f, fault.HintOf(err)); strings.Contains(text, secret) {
			t.Errorf("the error shows %q: %s", secret, text)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error has several lines: %q", err)
	}
}

// weakKey returns an RSA key that signers must not use any more (RFC 8301).
func weakKey(t testing.TB) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

// empty returns an empty file with that mode.
func empty(t *testing.T, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
	return path
}
