package zonefile_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/libdns/libdns"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/providers/zonefile"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// counting returns a reload command that counts its runs, fails while a file
// named "fail" is there and hangs while one named "hang" is; and a function
// that returns the count.
func counting(dir string) ([]string, func() int) {
	script := `cd "$0" && echo run >> .runs
if [ -e hang ]; then sleep 300 & echo $! > .pid; wait; fi
if [ -e fail ]; then echo first line; echo name server is down >&2; exit 7; fi`
	return []string{"sh", "-c", script, dir}, func() int {
		b, _ := os.ReadFile(filepath.Join(dir, ".runs"))
		return strings.Count(string(b), "run")
	}
}

func setX(p *zonefile.Provider, ctx context.Context, value string) error {
	_, err := p.SetRecords(ctx, "example.com", []libdns.Record{txt("x", value)})
	return err
}

func TestReload(t *testing.T) {
	p, path := newZone(t, zoneText)
	var runs func() int
	p.Reload, runs = counting(p.Dir)
	flag := filepath.Join(p.Dir, "fail")
	want := func(n int) {
		t.Helper()
		if runs() != n {
			t.Errorf("the command ran %d times, want %d", runs(), n)
		}
	}
	if err := setX(p, t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	want(1)
	if err := setX(p, t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	want(1) // nothing changed

	if err := os.WriteFile(flag, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 2 { // I7: a failed reload is not forgotten
		err := setX(p, t.Context(), "2")
		faulttest.Shown(t, err)
		if fault.KindOf(err) != fault.Transient || fault.HintOf(err) == "" ||
			!strings.Contains(err.Error(), "exit status 7: name server is down") {
			t.Errorf("got %v", err)
		}
		want(2 + i)
	}
	if !strings.Contains(read(t, path), `"2"`) {
		t.Error("the record is not in the file")
	}
	os.Remove(flag)
	// Another process, another zone's change, or none: all bring it about.
	other := &zonefile.Provider{Dir: p.Dir, Reload: p.Reload}
	if err := setX(other, t.Context(), "2"); err != nil {
		t.Fatal(err)
	}
	want(4)
	if err := setX(p, t.Context(), "2"); err != nil {
		t.Fatal(err)
	}
	want(4)
}

// I7: killed between the change of the file and the reload.
func TestReloadAfterCrash(t *testing.T) {
	p, _ := newZone(t, zoneText)
	if err := setX(p, t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	var runs func() int
	p.Reload, runs = counting(p.Dir)
	for i, left := range []string{".dkimbot-begun-example.com", ".dkimbot-reload-123"} {
		if err := os.WriteFile(filepath.Join(p.Dir, left), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := setX(p, t.Context(), "1"); err != nil {
				t.Fatal(err)
			}
			if runs() != i+1 {
				t.Errorf("%s: the command ran %d times, want %d", left, runs(), i+1)
			}
		}
	}
}

func TestReloadHangs(t *testing.T) {
	p, _ := newZone(t, zoneText)
	p.Reload, _ = counting(p.Dir)
	p.ReloadTimeout = time.Second
	if err := os.WriteFile(filepath.Join(p.Dir, "hang"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	err := setX(p, t.Context(), "1")
	faulttest.Shown(t, err)
	if fault.KindOf(err) != fault.Transient || !strings.Contains(fmt.Sprint(err), "not done after 1s") {
		t.Errorf("got %v", err)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("took %v", took)
	}
	// What the command has started is gone too.
	wantDead(t, started(t, p))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	p.ReloadTimeout = 0
	if err := setX(p, ctx, "1"); err == nil || ctx.Err() == nil {
		t.Errorf("cancelled: got %v", err)
	}
}

// I9: the command gets no secret of this process. At the time-out, what it has started in
// another session dies too.
func TestReloadGetsNoSecrets(t *testing.T) {
	t.Setenv("VAULT_TOKEN", "top-secret")
	p, _ := newZone(t, zoneText)
	p.ReloadTimeout = time.Second
	p.Reload = []string{"sh", "-c",
		`cd "$0" && env > .env && setsid sh -c 'echo $$ > .pid; exec sleep 300' & sleep 300`, p.Dir}
	if err := setX(p, t.Context(), "1"); fault.KindOf(err) != fault.Transient ||
		!strings.Contains(fmt.Sprint(err), "not done after 1s") {
		t.Fatalf("got %v", err)
	}
	child := started(t, p)
	if env := read(t, filepath.Join(p.Dir, ".env")); strings.Contains(env, "top-secret") ||
		!strings.Contains(env, "PATH=") {
		t.Errorf("the command's environment: %s", env)
	}
	wantDead(t, child)
}

// started returns the process that a hanging reload wrote down. On a busy machine the reload gets
// more time, until it comes so far.
func started(t *testing.T, p *zonefile.Provider) (pid string) {
	t.Helper()
	for {
		text, _ := os.ReadFile(filepath.Join(p.Dir, ".pid"))
		if pid = strings.TrimSpace(string(text)); pid != "" {
			return pid
		}
		if p.ReloadTimeout *= 2; p.ReloadTimeout > time.Minute {
			t.Fatal("the command did not come so far")
		}
		if err := setX(p, t.Context(), "1"); err == nil {
			t.Fatal("a reload that hangs came to an end")
		}
	}
}

// wantDead waits until a process is gone; a zombie has an empty command line.
func wantDead(t *testing.T, pid string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if b, _ := os.ReadFile("/proc/" + pid + "/cmdline"); len(b) == 0 {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("process %s still runs: %q", pid, b)
		}
	}
}

// A command that prints without end fills no memory; one that prints much and ends well has done its work.
func TestReloadPrintsMuch(t *testing.T) {
	p, _ := newZone(t, zoneText)
	p.Reload, p.ReloadTimeout = []string{"head", "-c", "300000000", "/dev/zero"}, 10*time.Minute
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := setX(p, t.Context(), "1"); err != nil {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 200<<20 {
		t.Errorf("%d octets were allocated", grown)
	}
}

func TestReloadCommandIsMissing(t *testing.T) {
	p, _ := newZone(t, zoneText)
	for _, command := range []string{"no-such-command-here", "/no/such/command", "/etc/passwd"} {
		p.Reload = []string{command}
		if err := setX(p, t.Context(), "1"); fault.KindOf(err) != fault.Permanent ||
			!strings.Contains(fault.HintOf(err), "reload of the provider") {
			t.Errorf("%s: got %v", command, err)
		} else {
			faulttest.Shown(t, err)
		}
	}
}

// Many zones at once share a few runs of the command, and each is served by it: the first run lasts until
// all of them are changed, and those that it did not see share the next.
func TestReloadsAreShared(t *testing.T) {
	p, _ := newZone(t, zoneText)
	p.ReloadTimeout = 10 * time.Minute
	p.Reload = []string{"sh", "-c", `cd "$0" && echo run >> .runs && mkdir .at$$ && cp *.zone .at$$ && ln -s .at$$ .new &&
mv -T .new .served && while test $(cat z*.zone | grep -c '"z[0-9]*\.example"') -lt 40; do sleep 0.05; done`, p.Dir}
	const zones = 40
	var group sync.WaitGroup
	for i := range zones {
		zone := fmt.Sprintf("z%d.example", i)
		if err := os.WriteFile(filepath.Join(p.Dir, zone+".zone"), []byte(zoneText), 0o600); err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			if _, err := p.SetRecords(t.Context(), zone, []libdns.Record{txt("x", zone)}); err != nil {
				t.Error(err)
			}
			if served := read(t, filepath.Join(p.Dir, ".served", zone+".zone")); !strings.Contains(served, zone) {
				t.Errorf("%s is not served after SetRecords has returned", zone)
			}
		})
	}
	group.Wait()
	if n := strings.Count(read(t, filepath.Join(p.Dir, ".runs")), "run"); n > zones/4 {
		t.Errorf("the command ran %d times for %d zones", n, zones)
	}
}

// A running BIND shows the record once its reload command has run.
func TestReloadOfBIND(t *testing.T) {
	p, path := newZone(t, zoneText)
	s := nameservertest.StartBIND(t, nameservertest.Zone{Name: "example.com", File: path})
	p.Reload = []string{"kill", "-HUP", strconv.Itoa(s.PID())}
	for i := range 3 {
		want := fmt.Sprint("value ", i)
		if err := setX(p, t.Context(), want); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(time.Minute); !cmp.Equal(s.Query(t, "x.example.com", "TXT"),
			[]string{want}); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("BIND shows %q, want %q", s.Query(t, "x.example.com", "TXT"), want)
			}
		}
	}
}
