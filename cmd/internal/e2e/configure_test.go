package e2e

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

const configuration = `
state: { path: state.db }
keystore: %[1]s
providers:
  office: { driver: rfc2136, server: "%[2]s", key_name: %[3]s, key_algorithm: %[4]s, key_file: tsig.secret }
signers:
  mx1:
    driver: opendkim
    key_dir: %[5]s
    key_table: %[6]s
    signing_table: refile:%[7]s
    reload: ["%[8]s"]
    reload_timeout: %[16]s
    lag: %[9]s
    %[10]s
policies:
  default:
    schedule: "%[11]s"
    unsafe_timing: true
    drain: %[12]s
    settle: %[13]s
    ttl: 1s
    key: %[15]s
    splay: 0s
    selectors: [%[17]s]
verify: { nameservers: ["%[2]s"], timeout: 30s }
domains:
  - { name: %[14]s, provider: office, signers: [mx1] }
`

// settings are what configurations differ in.
type settings struct {
	domain   string
	keystore string // its section, in one line
	signer   *signertest.OpenDKIM
	reload   []string // the command that reloads it
	unproved bool     // OpenDKIM is not asked whether it has switched
	probe    string   // instead, mail is looked at: the section, in one line
	key      string   // its algorithm; RSA when empty

	reloadTimeout time.Duration // ten seconds when zero
	selectors     string        // "s1, s2" when empty

	lag, drain, settle time.Duration
}

// inVault is the section of a configuration whose keys are in Vault.
func (s *site) inVault() string {
	return fmt.Sprintf("{ driver: vault, address: %q, auth: { method: approle, role_id_file: role-id, secret_id_file: "+
		"secret-id } }", s.vault.Address)
}

// configure writes a configuration with its secrets into a directory, and returns its path.
func (s *site) configure(t testing.TB, dir string, c settings) string {
	t.Helper()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	write("role-id", s.roleID)
	write("secret-id", s.secretID)
	write("tsig.secret", s.dns.KeySecret)
	milter := "milter: " + c.signer.Socket
	if c.unproved {
		milter = c.probe
	}
	return write("dkimbot.yaml", fmt.Sprintf(configuration, c.keystore, s.dns.Addr, s.dns.KeyName, s.dns.KeyAlgorithm,
		c.signer.KeyDir, c.signer.KeyTable, c.signer.SigningTable, strings.Join(c.reload, `", "`), c.lag, milter, notSoon(),
		c.drain, c.settle, c.domain, cmp.Or(c.key, "rsa2048"),
		cmp.Or(c.reloadTimeout, 10*time.Second), cmp.Or(c.selectors, "s1, s2")))
}

// notSoon is a schedule that begins no rotation while a test runs.
func notSoon() string {
	inThreeMonths := (time.Now().Month()+2)%12 + 1
	return fmt.Sprintf("0 4 1 %d,%d *", inThreeMonths, (inThreeMonths+5)%12+1)
}
