package rspamd

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestConfig: each mistake in the configuration is named.
func TestConfig(t *testing.T) {
	for _, edit := range []func(*Config){
		func(c *Config) { c.Source = "" },
		func(c *Config) { c.Source = "files" },
		func(c *Config) { c.KeyDir = "" },
		func(c *Config) { c.SelectorMap = "" },
		func(c *Config) { c.SelectorMap = "selectors.map" },
		func(c *Config) { c.KeyDir = "/var/lib/$domain" },
		func(c *Config) { c.ArcPathMap = "/etc/rspamd/arc_paths.map" },
		func(c *Config) { c.Owner = "a b" },
		func(c *Config) { c.Owner, c.KeyDir = "", "/" },
	} {
		cfg := Config{Source: "maps", KeyDir: "/var/lib/rspamd/dkim", SelectorMap: "/etc/rspamd/selectors.map", Owner: "root"}
		edit(&cfg)
		_, err := cfg.Open("rs", settings.Secrets{})
		faulttest.Shown(t, err)
	}
}

// TestConfigOfRedis: each mistake in the configuration is named.
func TestConfigOfRedis(t *testing.T) {
	for _, edit := range []func(*Config){
		func(c *Config) { c.Redis = "" },
		func(c *Config) { c.Redis = "127.0.0.1:x" },
		func(c *Config) { c.Preset = "postal" },
		func(c *Config) { c.Preset = "" },
		func(c *Config) { c.KeyDir = "/k" },
		func(c *Config) { c.PubPrefix = "DKIM_SELECTORS" },
		func(c *Config) { c.ArcKeyPrefix = "ARC_KEYS" },
		func(c *Config) { c.CAFile = "/etc/ssl/redis.pem" },
		func(c *Config) { c.CAFile, c.TLS = "/nonexistent/redis.pem", true },
	} {
		cfg := Config{Source: "redis", Redis: "127.0.0.1:6379", Preset: "mailcow"}
		edit(&cfg)
		_, err := cfg.Open("rs", settings.Secrets{})
		faulttest.Shown(t, err)
	}
}

// TestTLS: a Redis with TLS is believed by the authority that is named, and not without it.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certificate(t, cert, key)
	r := signertest.StartRedis(t, nil, "--tls-port", "--tls-cert-file", cert, "--tls-key-file", key,
		"--tls-ca-cert-file", cert,
		"--tls-auth-clients", "no")
	try := func(ca string) error {
		cfg := Config{Source: "redis", Redis: r.Address, TLS: true, CAFile: ca, Preset: "mailcow"}
		s, err := cfg.Open("rs", settings.Secrets{})
		if err != nil {
			t.Fatal(err)
		}
		return s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])})
	}
	if err := try(cert); err != nil {
		t.Errorf("%v (%s)", err, fault.HintOf(err))
	}
	err := try("")
	if faulttest.Shown(t, err); !strings.Contains(fault.HintOf(err), "ca_file") {
		t.Errorf("%v (%s)", err, fault.HintOf(err))
	}
}

// certificate writes a certificate that signs itself, and its key.
func certificate(t *testing.T, cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis"}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, of, of, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der},
		key: {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
