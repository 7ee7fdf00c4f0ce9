package cli_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dkimbot/dkimbot/cmd/internal/cli"
	"github.com/dkimbot/dkimbot/cmd/internal/report"
	ns "github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/providers/zonefile"
)

// TestMain puts a dkimbot into PATH that is this test binary. The tests wait far
// more than they compute, so more of them run at once than there are processors.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "10"); err != nil {
		panic(err)
	}
	testscript.Main(withPlain{m}, map[string]func(){
		"dkimbot": func() { os.Exit(cli.Main(os.Args[1:], cli.Terminal())) },
	})
}

// lab is a mail host in a directory: zone files that dkimbot answers for, key
// files, and the tables of an OpenDKIM that is not running. Change its fields and
// write again to get another configuration.
type lab struct {
	Dir string
	DNS string   // where dkimbot answers for the zone files
	Env []string // on top of the test's own

	Program string // "dkimbot", or the plain one

	Keystore string // YAML of these sections, without the section's name
	Provider string
	Signer   string
	Policy   string
	Verify   string
	Domains  []string // names; or whole entries when they hold a colon
}

// newLab makes a lab with short waits in which the domains' zones exist, and
// writes its configuration.
func newLab(t testing.TB, domains ...string) *lab {
	t.Helper()
	return labIn(t, t.TempDir(), domains...)
}

func labIn(t testing.TB, dir string, domains ...string) *lab {
	t.Helper()
	l := &lab{Dir: dir, DNS: ownAddress(t), Program: "dkimbot", Domains: domains}
	l.Keystore = "driver: file\npath: keys"
	l.Provider = "driver: zonefile\ndir: zones\nlisten: " + l.DNS
	l.Signer = "driver: opendkim\nkey_dir: opendkim/keys\nkey_table: opendkim/key.table\nsigning_table: " +
		"opendkim/signing.table\n" +
		"owner: " + whoRuns(t) + "\nreload: [\"true\"]\nlag: 1ms\nallow_unsafe_keys: true"
	l.Policy = "unsafe_timing: true\ndrain: 1s\nsettle: 1s\nttl: 1s\nsplay: 0s"
	l.Verify = "nameservers: [\"" + l.DNS + "\"]\ntimeout: 30s"
	for _, d := range domains {
		l.zone(t, d, "")
	}
	l.write(t)
	return l
}

// whoRuns returns the user who runs the test: nobody else has to read a lab's key files.
func whoRuns(t testing.TB) string {
	t.Helper()
	u, err := user.Current()
	must(t, err)
	return u.Username
}

// ownAddress returns an address that no other lab has: nobody listens there
// between two runs, so a free port alone might be taken meanwhile.
func ownAddress(t testing.TB) string {
	t.Helper()
	ip := ownIP()
	return fmt.Sprintf("%s:%d", ip, ns.FreePort(t, ip))
}

// serve answers for the zones until the test ends. Of several processes at once the
// first does so otherwise, and only as long as it runs.
func (l *lab) serve(t testing.TB) {
	t.Helper()
	s, err := zonefile.Serve(filepath.Join(l.Dir, "zones"), l.DNS, slog.Default())
	must(t, err)
	t.Cleanup(func() { s.Close() })
}

// ownIP returns one of sixteen million loopback addresses.
func ownIP() string {
	var b [3]byte
	rand.Read(b[:])
	return fmt.Sprintf("127.%d.%d.%d", b[0], b[1], b[2]|2)
}

// zone writes the zone file of a domain, with a negative-cache time of a second.
func (l *lab) zone(t testing.TB, name, records string) {
	t.Helper()
	l.file(t, "zones/"+name+".zone", "$ORIGIN "+name+
		".\n$TTL 1\n@ SOA ns hostmaster 1 3600 600 604800 1\n@ NS ns\nns A 127.0.0.1\n"+records)
}

func (l *lab) file(t testing.TB, name, text string) {
	t.Helper()
	path := filepath.Join(l.Dir, name)
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

func (l *lab) read(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(l.Dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return string(text)
}

// write writes the configuration.
func (l *lab) write(t testing.TB) {
	t.Helper()
	var b strings.Builder
	for _, s := range []struct{ title, body string }{
		{"state:", "driver: sqlite\npath: state.db"}, {"keystore:", l.Keystore}, {"providers:\n  lab:", l.Provider},
		{"signers:\n  mx1:", l.Signer}, {"policies:\n  default:", l.Policy}, {"verify:", l.Verify},
	} {
		fmt.Fprintf(&b, "%s\n    %s\n", s.title, strings.ReplaceAll(s.body, "\n", "\n    "))
	}
	b.WriteString("domains:\n")
	for _, d := range l.Domains {
		if !strings.Contains(d, ":") {
			d = fmt.Sprintf("{name: %q, provider: lab, signers: [mx1]}", d)
		}
		b.WriteString("  - " + d + "\n")
	}
	l.file(t, "dkimbot.yaml", b.String())
}

// result is how a run of dkimbot ended.
type result struct {
	line        string
	code        int
	out, stderr string
}

// command returns a dkimbot that has not started yet.
func (l *lab) command(args ...string) *exec.Cmd {
	cmd := exec.Command(l.Program, args...)
	cmd.Args[0] = "dkimbot"
	cmd.Dir = l.Dir
	cmd.Env = append(append(os.Environ(), "DKIMBOT_CONFIG="+filepath.Join(l.Dir, "dkimbot.yaml")), l.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// run runs dkimbot to its end.
func (l *lab) run(t testing.TB, args ...string) result {
	t.Helper()
	return finish(t, l.command(args...))
}

func finish(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	must(t, cmd.Start())
	late := time.AfterFunc(5*time.Minute, func() { cmd.Process.Kill() })
	defer late.Stop()
	err := cmd.Wait()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{strings.Join(cmd.Args, " "), cmd.ProcessState.ExitCode(), out.String(), stderr.String()}
}

// want checks the exit code and that everything printed holds each of the texts.
func (r result) want(t testing.TB, code int, texts ...string) result {
	t.Helper()
	all := r.out + r.stderr
	missing := slices.DeleteFunc(slices.Clone(texts), func(s string) bool { return strings.Contains(all, s) })
	if r.code != code || len(missing) > 0 {
		t.Fatalf("%s\nexit code %d, want %d; missing %q in\n%s\n%s", r.line, r.code, code, missing, r.out, r.stderr)
	}
	return r
}

// status returns what status --json says of a domain.
func (l *lab) status(t testing.TB, domain string) report.DomainStatus {
	t.Helper()
	r := l.run(t, "status", "--json", "--domain", domain).want(t, 0)
	var doc report.StatusDocument
	must(t, json.Unmarshal([]byte(r.out), &doc))
	if len(doc.Domains) != 1 {
		t.Fatalf("status of %s holds %d domains", domain, len(doc.Domains))
	}
	return doc.Domains[0]
}

// wantSound checks that the domain is ready and that state, signer, zone and
// keystore fit together (I1, I3, I4).
func (l *lab) wantSound(t testing.TB, domain string) report.DomainStatus {
	t.Helper()
	st := l.status(t, domain)
	if st.Phase != "ready" || st.Active == nil || st.Standby == nil {
		t.Fatalf("%s is in phase %s, active %v, standby %v", domain, st.Phase, st.Active, st.Standby)
	}
	l.run(t, "plan", "--domain", domain, "--detailed-exitcode").want(t, 0)
	table := l.read(t, "opendkim/signing.table")
	if want := fmt.Sprintf("*@%s %s._domainkey.%s\n", domain, *st.Active, domain); strings.Count(table, "@"+domain+
		" ") != 1 || !strings.Contains(table, want) {
		t.Fatalf("want %q alone in the signing table:\n%s", want, table)
	}
	for s, sel := range st.Selectors {
		if sel.KeyID == "" || sel.VerifiedAt == nil {
			t.Errorf("selector %s of %s: %+v", s, domain, sel)
		}
	}
	return st
}

// soon is how long anything may take that is not a time limit of dkimbot's own, on a
// machine that is busy with other things.
const soon = 2 * time.Minute

// eventually polls until ok holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
