package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/providers"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim"
)

const examples = "../../../examples"

// exampleSecrets are what an operator would put beside an example.
var exampleSecrets = map[string]string{
	"tsig.secret":      "c2VjcmV0\n",
	"role-id":          "role\n",
	"secret-id":        "id\n",
	"cloudflare.token": "token\n",
	"redis.password":   "password\n",
	"endpoint.token":   "token\n",
	"stalwart.token":   "token\n",
	"mailgun.key":      "key\n",
	"webhook.url":      "https://chat.example.com/hooks/secret\n",
	"heartbeat.url":    "https://health.example.com/ping/secret\n",
}

// Every configuration in examples loads, without a warning, once its secrets are
// there; in a clean clone nothing but they is missing.
func TestExamples(t *testing.T) {
	found := 0
	err := filepath.WalkDir(examples, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.Name() != "dkimbot.yaml" {
			return err
		}
		found++
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) { example(t, filepath.Dir(path)) })
		return nil
	})
	if err != nil || found < 6 {
		t.Fatalf("found %d examples: %v", found, err)
	}
}

func example(t *testing.T, src string) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(src)); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	none := func(string) (string, bool) { return "", false }
	_, err := load("dkimbot.yaml", none)
	var errs Errors
	if errors.As(err, &errs) {
		for _, e := range errs {
			if !strings.Contains(e.Problem, "there is no such file") || !strings.Contains(e.Path, "_file") {
				t.Errorf("in a clean clone: %v", e)
			}
		}
	}
	for name, secret := range exampleSecrets {
		write(t, name, 0o600, secret)
	}
	c, err := load("dkimbot.yaml", none)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Warnings) > 0 {
		t.Errorf("warnings: %v", Errors(c.Warnings))
	}
	if len(c.Domains) == 0 {
		t.Error("no domains")
	}
}

// The quickstart needs nothing but the clone and keeps what it makes below run.
func TestQuickstart(t *testing.T) {
	c, err := Load(filepath.Join(examples, "quickstart/dkimbot.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	run := filepath.Join(filepath.Dir(c.File), "run")
	signer := c.Signers["mx1"].Settings.(*opendkim.Config)
	for _, path := range []string{c.State.Path, c.Keystore.Path, signer.KeyDir, signer.KeyTable, signer.SigningTable} {
		if !strings.HasPrefix(path, run+"/") {
			t.Errorf("%s is not below %s", path, run)
		}
	}
	d, err := c.Domain("example.test")
	if err != nil {
		t.Fatal(err)
	}
	lab := c.Providers["lab"].Account.(*providers.ZoneFile)
	if len(d.Verify.Nameservers) != 1 || d.Verify.Nameservers[0] != lab.Listen {
		t.Errorf("asks %v, but %s answers", d.Verify.Nameservers, lab.Listen)
	}
	if _, err := os.Stat(filepath.Join(lab.Dir, d.Name+".zone")); err != nil {
		t.Error(err)
	}
}
