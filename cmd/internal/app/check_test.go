package app

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// TestCheckOfTheState: a state database that can't be made is told, and no part that is closed holds the others up.
func TestCheckOfTheState(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "dkimbot.yaml")
	text := "state: { path: " + path + "/state/state.db }\nkeystore: { driver: file, path: " + path + "/keys }\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	answers, err := Check(t.Context(), cfg, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]string{}
	for _, a := range answers {
		if a.Err != nil {
			codes[a.Kind+" "+a.What] = string(fault.CodeOf(a.Err))
			faulttest.Shown(t, a.Err)
		}
	}
	if code, told := codes["state can be written"]; !told || code != "not-writable" {
		t.Errorf("%q", codes)
	}
	if _, told := codes["keystore configuration"]; !told {
		t.Errorf("%q", codes)
	}
}

// TestServersThatDontAnswer: servers that are silent, or that lag, are named.
func TestServersThatDontAnswer(t *testing.T) {
	name := dkim.Name{Domain: "example.test", Selector: "s1"}
	if err := unanswered(name, rotate.Sight{Complete: true}); err != nil {
		t.Error(err)
	}
	for code, sight := range map[string]rotate.Sight{
		"servers-silent": {Silent: true, Lagging: []string{"192.0.2.1:53: no answer"}},
		"servers-differ": {Lagging: []string{"192.0.2.1:53: shows another record"}},
	} {
		err := unanswered(name, sight)
		faulttest.Shown(t, err)
		if string(fault.CodeOf(err)) != code || !strings.Contains(err.Error(), "192.0.2.1") {
			t.Errorf("code %q of %v", fault.CodeOf(err), err)
		}
	}
	if p := asked("signer", "x", nil, []preflight.Subject{{Name: name}}); len(p.Questions) != 0 {
		t.Errorf("%+v", p)
	}
}

// TestZonesBesideASilentServer: where the servers of one DNS account are silent, the zone of every selector is known all
// the same, so that the accounts that work are asked.
func TestZonesBesideASilentServer(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	live := l.Addr().String()
	l.Close()
	for name, text := range map[string]string{
		"example.test.zone": "$ORIGIN example.test.\n$TTL 60\n@ SOA ns h 1 3600 600 604800 60\n@ NS ns\nns A 127.0.0.1\n",
		"dkimbot.yaml": `state: { path: state.db }
keystore: { path: keys }
providers: { lab: { driver: zonefile, dir: ., listen: "` + live + `" } }
signers: { mx1: { driver: exec, command: [/bin/true] } }
verify: { nameservers: ["` + live + `", "127.0.0.1:1"] }
domains: [{ name: example.test, provider: lab, signers: [mx1] }]
`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.Load(filepath.Join(dir, "dkimbot.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	a := &App{Config: cfg, log: slog.New(slog.DiscardHandler)}
	defer a.Close()
	answers, subjects := a.checkDNS(t.Context(), []rotate.Domain{cfg.Domains[0].Domain})
	if len(answers) != 1 || fault.CodeOf(answers[0].Err) != "servers-silent" || len(subjects) != 2 {
		t.Fatalf("%+v, %+v", answers, subjects)
	}
	for _, s := range subjects {
		if s.Zone == "" {
			t.Errorf("the zone of %s is not known", s.Name)
		}
	}
}

// TestCheckAsksASignerForMany: what a thousand domains are signed with are few questions to their signer: behind ssh each
// is a connection.
func TestCheckAsksASignerForMany(t *testing.T) {
	dir := t.TempDir()
	asked := filepath.Join(dir, "asked")
	script := "#!/bin/sh\ngrep -q '\"active\"' && echo >> " + asked + "\nsleep 0.5\necho '{\"active\":{}}'\n"
	text := "state: { path: state.db }\nkeystore: { path: keys }\nproviders: { lab: { driver: zonefile, dir: . } }\n" +
		"signers: { mx1: { driver: exec, command: [" + filepath.Join(dir, "ask") + "] } }\nverify: { mode: none }\ndomains:\n"
	for i := range 500 {
		text += fmt.Sprintf("- { name: d%03d.example.test, zone: example.test, provider: lab, signers: [mx1] }\n", i)
	}
	zone := "$ORIGIN example.test.\n$TTL 60\n@ SOA ns h 1 3600 600 604800 60\n@ NS ns\nns A 127.0.0.1\n"
	for name, text := range map[string]string{"ask": script, "dkimbot.yaml": text, "example.test.zone": zone} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(filepath.Join(dir, "dkimbot.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var domains []rotate.Domain
	for _, d := range cfg.Domains {
		domains = append(domains, d.Domain)
	}
	answers, err := Check(t.Context(), cfg, domains, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range answers {
		if a.Err != nil {
			t.Errorf("%s %s: %v", a.Name, a.What, a.Err)
		}
	}
	if said, err := os.ReadFile(asked); err != nil || len(said) < 2 || len(said) > 12 {
		t.Errorf("500 domains were asked about in %d questions: %v", len(said), err)
	}
}

// TestWhatADomainHas: what stops a domain, and what a person has to put right, is told; what dkimbot repairs is not.
func TestWhatADomainHas(t *testing.T) {
	plan := rotate.DomainPlan{Name: "example.test", Drift: []finding.Finding{{Code: "record-missing", Message: "it is gone"}}}
	if err := stopped(plan); err != nil {
		t.Error(err)
	}
	plan.Drift = append(plan.Drift, finding.Finding{Code: "key-missing", Asks: true,
		Message: "the key of s1 is missing from the keystore", Repair: "restore it from a backup"})
	faulttest.Shown(t, stopped(plan))
	plan.Stop = fault.Refuse("foreign-record", "it is not ours", "look at it")
	if err := stopped(plan); fault.CodeOf(err) != "foreign-record" {
		t.Error(err)
	}
}

// TestWhatASignerSignsWith: a signer that signs otherwise than it confirmed is told under its own name, and nothing
// that is said of another one.
func TestWhatASignerSignsWith(t *testing.T) {
	plan := rotate.DomainPlan{Name: "example.test", Drift: []finding.Finding{
		{Code: "signer-left-over", Signer: "mx1", Message: "it signed once", Asks: true},
		{Code: "signer-empty", Signer: "mx2", Message: "it does not sign", Repair: "it is given the key of s1 by itself"},
		{Code: "signer-silent", Signer: "mx3", Message: "no answer", Repair: "start it", Asks: true},
	}}
	for signer, hint := range map[string]string{"mx2": "it is given the key of s1 by itself; 'dkimbot repair --domain " +
		"example.test' tries that now and says what keeps it from succeeding", "mx3": "start it"} {
		err := strayed(plan, signer)
		faulttest.Shown(t, err)
		if fault.HintOf(err) != hint {
			t.Errorf("the hint is %q, want %q", fault.HintOf(err), hint)
		}
	}
	if err := strayed(plan, "mx1"); err != nil {
		t.Error(err)
	}
	if err := stopped(plan); fault.CodeOf(err) != "signer-left-over" {
		t.Errorf("it stops with %v", err)
	}
}
