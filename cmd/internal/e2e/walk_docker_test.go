package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestDockerMailserver follows examples/docker-mailserver with an OpenDKIM that is set up as in its container: with a
// parent process that gets the signals, and a key and tables that docker-mailserver has made.
func TestDockerMailserver(t *testing.T) {
	t.Parallel()
	w := newWalk(t, "docker-mailserver")
	signer := signertest.StartOpenDKIM(t, "AutoRestart yes", "AutoRestartRate 10/1h", "UMask 002", "SyslogSuccess yes",
		"RemoveOldSignatures yes", "SignatureAlgorithm rsa-sha256")
	t.Cleanup(func() { endOpenDKIM(t, signer) })
	w.mail = signer.Mail
	w.paths = map[string]string{
		"/etc/opendkim/keys": signer.KeyDir, "/etc/opendkim/KeyTable": signer.KeyTable,
		"/etc/opendkim/SigningTable": signer.SigningTable, "inet:8891@127.0.0.1": signer.Socket,
	}
	bin := t.TempDir()
	recreate := func() { // as a new container does
		endOpenDKIM(t, signer)
		signer.Restart(t)
		fakeDocker(t, bin, signer)
	}
	w.setupConfigDKIM(signer)
	recreate()
	w.signs("mail")
	w.configure(nil, "PATH="+bin+":"+os.Getenv("PATH"))

	lines := w.follow(w.commands("dkimbot"), "adopt", "mail", "mail")
	recreate()
	w.signs("mail")
	lines = w.follow(lines, "rotate", "mail", "s2")
	recreate()
	w.signs("s2")
	if rest := w.follow(lines, "rollback", "s2", "mail"); len(rest) > 0 {
		t.Errorf("the README has more commands: %q", rest)
	}
}

// setupConfigDKIM makes what docker-mailserver's command of that name makes, and its record.
func (w *walk) setupConfigDKIM(signer *signertest.OpenDKIM) {
	dir := filepath.Join(signer.KeyDir, walkDomain)
	must(w.t, os.Mkdir(dir, 0o700))
	run := func(argv ...string) string {
		out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if err != nil {
			w.t.Fatalf("%q: %v\n%s", argv, err, out)
		}
		return string(out)
	}
	run("opendkim-genkey", "--bits=2048", "--subdomains", "--domain="+walkDomain, "--selector=mail", "--directory="+dir)
	run("chown", "-R", "--reference", signer.KeyDir, dir)
	key := filepath.Join(dir, "mail.private")
	pem := strings.Split(strings.TrimSpace(run("openssl", "pkey", "-pubout", "-in", key)), "\n")
	w.publish("mail", "v=DKIM1; h=sha256; k=rsa; ", strings.Join(pem[1:len(pem)-1], ""))
	must(w.t, os.WriteFile(signer.KeyTable,
		[]byte(fmt.Sprintf("mail._domainkey.%[1]s %[1]s:mail:%[2]s\n", walkDomain, key)), 0o644))
	must(w.t, os.WriteFile(signer.SigningTable,
		[]byte(fmt.Sprintf("*@%[1]s mail._domainkey.%[1]s\n", walkDomain)), 0o644))
}

// fakeDocker makes a program docker that takes the one command of the example.
func fakeDocker(t *testing.T, dir string, signer *signertest.OpenDKIM) {
	must(t, os.WriteFile(filepath.Join(dir, "docker"), []byte(fmt.Sprintf("#!/bin/sh\n"+
		`[ "$*" = "exec mailserver supervisorctl signal USR1 opendkim" ] && exec %s`+"\n",
		strings.Join(signer.Reload(), " "))), 0o700))
}

// endOpenDKIM ends the parent process with its child, as supervisord does.
func endOpenDKIM(t *testing.T, signer *signertest.OpenDKIM) {
	syscall.Kill(signer.PID, syscall.SIGTERM)
	for deadline := time.Now().Add(time.Minute); syscall.Kill(signer.PID, 0) == nil; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("OpenDKIM does not end")
		}
	}
}
