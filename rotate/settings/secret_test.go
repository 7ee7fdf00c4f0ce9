package settings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// A secret does not show itself, however it is printed, and not inside other things (I9).
func TestSecretHides(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "token", 0o600, "hunter2")
	lookup := func(string) (string, bool) { return "hunter2", true }
	all := []Secret{{}, FromFile("token"), FromVariable("TOKEN", lookup), Inline("hunter2")}
	for _, s := range all {
		holder := struct{ S, private Secret }{s, s}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", s, "holder", holder)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s, "holder", holder)
		asJSON, err := json.Marshal(holder)
		if err != nil {
			t.Fatal(err)
		}
		asYAML, err := yaml.Marshal(map[string]any{"s": s.String()})
		if err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
			noSecret(t, fmt.Sprintf(verb, s)+fmt.Sprintf(verb, &s)+fmt.Sprintf(verb, holder))
		}
		noSecret(t, log.String()+string(asJSON)+string(asYAML)+s.GoString())
		if bytes.Contains([]byte(fmt.Sprintf("%x", s)), []byte("68756e74657232")) {
			t.Error("shows itself in hex")
		}
	}
	if all[0].IsSet() || !all[1].IsSet() {
		t.Error("IsSet is wrong")
	}
	if _, err := all[0].Read(); err == nil {
		t.Error("the zero secret can be read")
	}
}

// A secret's file is read again each time: Vault's secret ids are rotated while
// the daemon runs. And each time it is looked at who else can read it.
func TestSecretIsReadAnew(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "token", 0o640, "one\r\n\n")
	s := FromFile("token")
	for _, want := range []string{"one", "two"} {
		if got, err := s.Read(); err != nil || got != want {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
		write(t, "token", 0o600, "two")
	}
	write(t, "token", 0o604, "two")
	if got, err := s.Read(); err == nil || got != "" || fault.HintOf(err) == "" || fault.KindOf(err) != fault.Permanent {
		t.Errorf("got %q, %v; want a lasting fault with a hint", got, err)
	}
}

// A secret that the configuration does not name is asked for by nobody but a mistake of ours.
func TestNoSecret(t *testing.T) {
	_, err := Secret{}.Read()
	faulttest.Shown(t, err)
}

func write(t *testing.T, name string, mode fs.FileMode, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

func noSecret(t *testing.T, text string) {
	t.Helper()
	if strings.Contains(text, "hunter2") {
		t.Errorf("a secret leaks (I9): %s", text)
	}
}
