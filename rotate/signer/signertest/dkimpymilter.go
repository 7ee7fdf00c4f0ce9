package signertest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// DkimpyMilter is a real dkimpy-milter on loopback, started by root, with a line in each table that signs nothing: it
// can't read an empty one. It writes no pid file.
type DkimpyMilter struct {
	Dir             string // safe for keys, removed after the test
	KeyDir          string
	KeyTable        string
	KeyTableEd25519 string // "" for none
	SigningTable    string
	Conf            string
	Socket          string // inet:127.0.0.1:PORT

	asked
	restart, pid string
}

// StartDkimpyMilter starts one and stops it after the test.
func StartDkimpyMilter(t testing.TB, ed25519 bool) *DkimpyMilter {
	t.Helper()
	if _, err := exec.LookPath("dkimpy-milter"); err != nil {
		t.Fatalf("dkimpy-milter is not installed; .ci/servers does it (%v)", err)
	}
	d := &DkimpyMilter{Dir: SafeDir(t), asked: freeAddress(t)}
	at := func(name string) string { return filepath.Join(d.Dir, name) }
	d.KeyDir, d.KeyTable, d.SigningTable, d.Conf = at("keys"), at("key.table"), at("signing.table"), at("milter.conf")
	d.restart, d.pid, d.Socket = at("restart"), at("pid"), "inet:"+d.address
	must(t, os.Mkdir(d.KeyDir, 0o700))
	host, port, _ := net.SplitHostPort(d.address)
	conf := []string{"Syslog no", "Mode s", "UserID root", "Canonicalization relaxed/simple", "Socket inet:" + port + "@" + host,
		"KeyTable file:" + d.KeyTable, "SigningTable refile:" + d.SigningTable}
	tables := map[string]string{d.KeyTable: "none none.invalid:none:/dev/null", d.SigningTable: "*@none.invalid none"}
	if ed25519 {
		d.KeyTableEd25519 = at("key.ed25519")
		conf = append(conf, "KeyTableEd25519 file:"+d.KeyTableEd25519)
		tables[d.KeyTableEd25519] = tables[d.KeyTable]
	}
	for path, line := range tables {
		must(t, os.WriteFile(path, []byte(line+"\n"), 0o644))
	}
	must(t, os.WriteFile(d.Conf, []byte(strings.Join(conf, "\n")+"\n"), 0o644))
	// As systemd does with Type=simple, it does not wait until the daemon listens.
	script := fmt.Sprintf(`#!/bin/sh
if [ -s %[1]s ]; then
	old=$(cat %[1]s)
	kill -KILL "$old" 2>/dev/null
	# Its socket is closed when it is a zombie, or gone, and has no thread any more.
	while state=$(cat "/proc/$old/stat" 2>/dev/null) && set -- /proc/"$old"/task/* && [ "${state##*) Z *}$2" ]; do
		sleep 0.02
	done
fi
setsid dkimpy-milter %[2]s </dev/null >>%[3]s 2>&1 &
echo $! >%[1]s
`, d.pid, d.Conf, at("log"))
	must(t, os.WriteFile(d.restart, []byte(script), 0o755))
	d.Start(t)
	t.Cleanup(func() { d.Stop(t) })
	return d
}

// Restart is the argv of a restart.
func (d *DkimpyMilter) Restart() []string { return []string{d.restart} }

// Start starts it again, and waits until it answers.
func (d *DkimpyMilter) Start(t testing.TB) {
	t.Helper()
	if out, err := exec.Command(d.restart).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	d.Await(t)
}

// Await waits until it answers.
func (d *DkimpyMilter) Await(t testing.TB) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if c, err := net.Dial("tcp", d.address); err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("dkimpy-milter does not answer at %s: %s", d.address, d.Said())
		}
	}
}

// Said returns what it has printed.
func (d *DkimpyMilter) Said() string {
	text, _ := os.ReadFile(filepath.Join(d.Dir, "log"))
	return string(text)
}

// Stop ends it, if it runs.
func (d *DkimpyMilter) Stop(t testing.TB) {
	t.Helper()
	text, err := os.ReadFile(d.pid)
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	must(t, err)
	syscall.Kill(pid, syscall.SIGKILL)
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", d.address); err != nil {
			return
		} else {
			c.Close()
		}
	}
	t.Fatal("dkimpy-milter does not end")
}
