package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
)

// withVault makes a real Vault the lab's keystore.
func (l *lab) withVault(t *testing.T) *vaulttest.Server {
	t.Helper()
	server := vaulttest.Start(t)
	l.file(t, "vault.token", server.RootToken)
	l.Keystore = fmt.Sprintf("driver: vault\naddress: %s\nmount: secret\nprefix: dkim\nauth: {method: "+
		"token, token_file: vault.token}", server.Address)
	l.write(t)
	return server
}

// Vault is sealed in the middle of a rotation: the domain continues to be signed,
// the old key stays published, and after the unsealing the same command finishes.
func TestVaultSealedInTheMiddle(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	server := l.withVault(t)
	l.Policy = strings.Replace(l.Policy, "drain: 1s", "drain: 3s", 1)
	l.write(t)
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase ready")
	zone := l.read(t, "zones/example.test.zone")

	running := l.command("rotate", "--domain", "example.test")
	var said bytes.Buffer
	running.Stdout, running.Stderr = &said, &said
	must(t, running.Start())
	eventually(t, "the drain begins", func() bool { return l.status(t, "example.test").Phase == "draining" })
	server.Seal(t)
	running.Wait()
	result{"rotate", running.ProcessState.ExitCode(), said.String(), ""}.want(t, 1, "s1._domainkey.example.test",
		"sealed", "hint: ", "vault operator unseal", "phase draining")
	if l.read(t, "zones/example.test.zone") != zone {
		t.Error("the zone was changed")
	}
	if got := l.signs(t, "example.test"); !strings.HasPrefix(got, "[s2 ") {
		t.Errorf("the signer uses %s", got)
	}
	l.run(t, "plan").want(t, 1, "sealed", "vault operator unseal")
	l.run(t, "rotate", "--domain", "example.test").want(t, 1, "sealed", "vault operator unseal")

	server.Unseal(t)
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "done s1: the old key", "phase ready")
	l.wantSound(t, "example.test")
}

// A new domain, a sealed Vault: nothing is published, nothing is touched.
func TestVaultSealedAtFirst(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	server := l.withVault(t)
	server.Seal(t)
	l.run(t, "rotate", "--domain", "example.test").want(t, 1, "sealed", "hint: ", "vault operator unseal")
	if zone := l.read(t, "zones/example.test.zone"); strings.Contains(zone, "DKIM1") ||
		l.read(t, "opendkim/signing.table") != "" {
		t.Error("something was published or given to the signer")
	}
	server.Unseal(t)
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase ready")
	l.wantSound(t, "example.test")
}

// Vault's token is taken away: a compromised key is revoked nevertheless, a dry run and the
// command say why no more is done, and 'dkimbot validate' calls the configuration wrong (I2).
func TestVaultTokenTakenAway(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	l.withVault(t)
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase ready")
	token := l.read(t, "vault.token")
	must(t, os.Remove(filepath.Join(l.Dir, "vault.token")))
	l.run(t, "validate").want(t, 1, "keystore.auth.token_file", "there is no such file")
	l.run(t, "rotate", "--domain", "example.test", "--compromised", "--selector", "s2", "--dry-run").want(t, 1,
		"revoke    s2", "there is no such file")
	l.run(t, "rotate", "--domain", "example.test", "--compromised", "--selector", "s2").want(t, 1, "done s2: key",
		"was revoked in DNS", "there is no such file")
	d := l.daemon(t)
	d.awaitLog(t, "there is no such file")
	d.stop(t, syscall.SIGTERM, soon)
	l.file(t, "vault.token", token)
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "done s2: the old key", "phase ready")
	l.wantSound(t, "example.test")
}
