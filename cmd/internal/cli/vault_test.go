package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

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

// TestMoveToVaultAndBack: the keystore moves from files to Vault in the middle of a rotation, and back. Nothing
// is lost, and mail is signed as before (I1, I4).
func TestMoveToVaultAndBack(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	files := l.Keystore
	l.Policy = strings.Replace(l.Policy, "drain: 1s", "drain: 2h", 1) // --wait stays for no wait as long as that
	l.write(t)
	l.serve(t)
	l.run(t, "rotate", "--domain", "example.test", "--wait").want(t, 0, "phase ready")
	time.Sleep(1100 * time.Millisecond) // until resolvers have forgotten that the standby was not there
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase draining")
	l.withVault(t)
	vault := l.Keystore
	l.moveKeys(t, files, vault, "2 keys copied")
	must(t, os.RemoveAll(filepath.Join(l.Dir, "keys")))
	if r := l.run(t, "plan").want(t, 0, "phase draining"); strings.Contains(r.out, "drift") {
		t.Errorf("after the move to Vault:\n%s", r.out)
	}
	l.run(t, "rollback", "--domain", "example.test", "--wait").want(t, 0, "signer mx1 signs with it now")
	l.run(t, "rotate", "--domain", "example.test", "--compromised", "--selector", "s2", "--wait").want(t, 0, "phase ready",
		"was made, kept in the keystore and read back")
	l.moveKeys(t, vault, files, "2 keys copied")
	if r := l.run(t, "plan").want(t, 0, "phase ready"); strings.Contains(r.out, "drift") {
		t.Errorf("after the move back:\n%s", r.out)
	}
	l.run(t, "rotate", "--domain", "example.test", "--wait").want(t, 0, "signer mx1 signs with it now", "phase draining")
	l.signs(t, "example.test")
}

// moveKeys moves the keystore as dkimbot-keystore-copy(1) says.
func (l *lab) moveKeys(t *testing.T, from, to, says string) {
	t.Helper()
	l.Keystore = to
	l.write(t)
	must(t, os.Rename(filepath.Join(l.Dir, "dkimbot.yaml"), filepath.Join(l.Dir, "new.yaml")))
	l.Keystore = from
	l.write(t)
	l.run(t, "keystore", "copy", "--to", filepath.Join(l.Dir, "new.yaml")).want(t, 0, says)
	must(t, os.Rename(filepath.Join(l.Dir, "new.yaml"), filepath.Join(l.Dir, "dkimbot.yaml")))
	l.Keystore = to
}

// TestMoveToVaultBetweenSelectors: the keystore moves after the domain has moved over to other selectors. The keys
// of the old ones move with it, so the way back to them stays open (I1).
func TestMoveToVaultBetweenSelectors(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	files := l.Keystore
	l.serve(t)
	l.run(t, "rotate", "--domain", "example.test", "--wait").want(t, 0, "phase ready")
	l.Policy += "\nselectors: [k1, k2]"
	l.write(t)
	l.run(t, "rotate", "--domain", "example.test", "--change-selectors", "--wait").want(t, 0,
		"done k1: signer mx1 signs with it now")
	l.withVault(t)
	l.moveKeys(t, files, l.Keystore, "4 keys copied")
	must(t, os.RemoveAll(filepath.Join(l.Dir, "keys")))
	l.run(t, "rollback", "--domain", "example.test", "--wait").want(t, 3, "done s1: signer mx1 signs with it now",
		"selectors: [s1, s2]")
	l.signs(t, "example.test")
}
