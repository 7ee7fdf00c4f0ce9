package providers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// BIND and Knot refuse updates of a zone that somebody froze to edit it by hand. The right is there; the hint names
// thawing, and that is all it takes.
func TestFrozenZone(t *testing.T) {
	t.Run("BIND", func(t *testing.T) {
		t.Parallel()
		s := nameservertest.Options{Narrow: true}.StartBIND(t, nameservertest.Zone{Name: "example.test"})
		rndc := controlled(t, s)
		testFrozen(t, s, func() { rndc("freeze", "example.test") }, func() { rndc("thaw", "example.test") })
	})
	t.Run("Knot", func(t *testing.T) {
		t.Parallel()
		s := nameservertest.Options{Narrow: true}.StartKnot(t, nameservertest.Zone{Name: "example.test"})
		knotc := func(word string) func() {
			return func() {
				t.Helper()
				cmd := exec.Command("knotc", "-c", filepath.Join(s.Dir, "knot.conf"), "--blocking", word, "example.test")
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Fatalf("knotc %s: %v\n%s", word, err, out)
				}
			}
		}
		testFrozen(t, s, knotc("zone-freeze"), knotc("zone-thaw"))
	})
}

func testFrozen(t *testing.T, s *nameservertest.Server, freeze, thaw func()) {
	p := openUpdates(t, updateConfig(s))
	if err := p.Publish(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	freeze()
	next := record("example.test", "s2")
	err := p.Publish(t.Context(), next)
	faulttest.Shown(t, err)
	if err == nil || !strings.Contains(fault.HintOf(err), "the zone may be frozen") {
		t.Errorf("%v; hint %q", err, fault.HintOf(err))
	}
	wantChecked(t, checked(t, p, "example.test", "s2._domainkey.example.test"), "not-allowed", "does not allow this update",
		"rndc thaw example.test (for Knot: knotc zone-thaw example.test)")
	thaw()
	if err := p.Publish(t.Context(), next); err != nil {
		t.Error(err)
	}
}

// controlled gives a BIND a control channel, and returns its rndc.
func controlled(t *testing.T, s *nameservertest.Server) func(args ...string) {
	t.Helper()
	at := func(name string) string { return filepath.Join(s.Dir, name) }
	port := strconv.Itoa(nameservertest.FreePort(t))
	conf, err := os.ReadFile(at("named.conf"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"named.conf": strings.Replace(string(conf), "controls { };",
			fmt.Sprintf("controls { inet 127.0.0.1 port %s allow { 127.0.0.1; } keys { %q; }; };", port, s.KeyName), 1),
		"rndc.conf": fmt.Sprintf("key %q { algorithm %s; secret %q; };\noptions { default-key %q; default-server 127.0.0.1; "+
			"default-port %s; };\n", s.KeyName, s.KeyAlgorithm, s.KeySecret, s.KeyName, port),
	} {
		if err := os.WriteFile(at(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.Stop()
	s.Start(t)
	return func(args ...string) {
		t.Helper()
		if out, err := exec.Command("rndc", append([]string{"-c", at("rndc.conf")}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("rndc %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
