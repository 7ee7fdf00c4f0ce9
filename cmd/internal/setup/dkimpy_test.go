package setup

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
	"github.com/dkimbot/dkimbot/rotate/signer/dkimpy"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestDkimpyBecomesSwitchable: the steps that are shown lead a real dkimpy-milter with one key to tables, it signs with
// that key as before, and the check of the signer that is made finds nothing wrong.
func TestDkimpyBecomesSwitchable(t *testing.T) {
	d := signertest.StartDkimpyMilter(t, false)
	file := filepath.Join(d.Dir, "mail.private")
	must(t, os.WriteFile(file, []byte(keyOf(t, 2048)), 0o600))
	text, err := os.ReadFile(d.Conf)
	must(t, err)
	var conf []string
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, "Table") {
			conf = append(conf, line)
		}
	}
	stock := strings.Join(conf, "") + "Domain example.com\nSelector mail\nKeyFile " + file + "\n"
	must(t, os.WriteFile(d.Conf, []byte(stock), 0o644))
	signs := func(when string) {
		t.Helper()
		d.Start(t)
		s := d.Connect(t)
		defer s.Close()
		if got := s.Mail("a@example.com").Signatures; len(got) != 1 || got[0].Selector != "mail" {
			t.Fatalf("%s it signs with %+v: %s", when, got, d.Said())
		}
	}
	signs("with one key")

	all := find(t, host(t, map[string]string{"/etc/dkimpy-milter/dkimpy-milter.conf": stock}))
	if len(all) != 1 || len(all[0].Domains) != 1 {
		t.Fatalf("found %+v", all)
	}
	here := strings.NewReplacer("/etc/dkimpy-milter"+"/dkimpy-milter.conf", d.Conf, "/etc/dkimpy-milter", d.Dir, "systemctl restart dkimpy-milter", "true")
	script := here.Replace(strings.Join(all[0].Before, "\n"))
	if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, script)
	}
	signs("with tables")

	cfg := dkimpy.Defaults()
	cfg.Name, cfg.Restart, cfg.Owner = "mx1", d.Restart(), "root"
	for _, p := range all[0].Keys {
		value, _ := p.Value.(string)
		switch value = here.Replace(value); p.Key {
		case "key_dir":
			cfg.KeyDir = value
		case "key_table":
			cfg.KeyTable = value
		case "signing_table":
			cfg.SigningTable = value
		case "milter":
			cfg.Milter = value
		}
	}
	s, err := dkimpy.New(*cfg)
	must(t, err)
	part := preflight.Part{Kind: "signer", Name: "mx1", Questions: preflight.Of(s, nil)}
	if err := preflighttest.Wrong(preflight.Ask(t.Context(), []preflight.Part{part}, preflight.Usual)); err != nil {
		t.Error(err)
	}
}
