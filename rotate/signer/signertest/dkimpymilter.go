package signertest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// DkimpyMilter is a real dkimpy-milter on loopback, started by root, with a line in each table that signs nothing: it
// can't read an empty one. It writes no pid file.
type DkimpyMilter struct {
	KeyDir          string
	KeyTable        string
	KeyTableEd25519 string // "" for none
	SigningTable    string
	Conf            string
	Socket          string // inet:127.0.0.1:PORT

	asked
	restartable
}

// StartDkimpyMilter starts one and stops it after the test.
func StartDkimpyMilter(t testing.TB, ed25519 bool) *DkimpyMilter {
	t.Helper()
	if _, err := exec.LookPath("dkimpy-milter"); err != nil {
		t.Fatalf("dkimpy-milter is not installed; .ci/servers does it (%v)", err)
	}
	d := &DkimpyMilter{asked: freeAddress(t)}
	d.restartable = newRestartable(t, "dkimpy-milter", d.address)
	at := func(name string) string { return filepath.Join(d.Dir, name) }
	d.KeyDir, d.KeyTable, d.SigningTable, d.Conf = at("keys"), at("key.table"), at("signing.table"), at("milter.conf")
	d.Socket = "inet:" + d.address
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
