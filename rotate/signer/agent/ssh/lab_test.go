package ssh_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/ssh"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/ssh/stdio"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// place is what the program on the host is told by a file.
type place struct {
	Agent    string
	Domains  []string
	State    string
	OpenDKIM opendkim.Config
	DieAt    int           // before which of the host's steps it is killed, counted from 1
	Wait     time.Duration // with the request read, before it is served
}

const placeVariable = "DKIMBOT_TEST_PLACE"

// TestMain is also the program that sshd runs.
func TestMain(m *testing.M) {
	path := os.Getenv(placeVariable)
	if path == "" {
		os.Exit(m.Run())
	}
	if err := answer(path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answer(path string) error {
	var p place
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		return err
	}
	s, err := p.OpenDKIM.Open(p.Agent, nil)
	if err != nil {
		return err
	}
	steps := &steps{dieAt: p.DieAt}
	h := &stdio.Host{Agent: p.Agent, Name: "mail2", Version: "1", Forced: os.Getenv("SSH_ORIGINAL_COMMAND") != "",
		Domains: p.Domains, Memory: mortalMemory{&stdio.Directory{Path: p.State}, steps, p},
		Signer: mortal{s, steps}, Now: time.Now}
	steps.step()
	signal.Ignore(syscall.SIGPIPE) // of a connection that was cut
	err = h.Serve(context.Background(), os.Stdin, os.Stdout)
	if p.Wait > 0 {
		os.WriteFile(p.State+".ended", nil, 0o600)
	}
	steps.step()
	return err
}

// steps are the places at which the host can be killed.
type steps struct{ n, dieAt int }

func (s *steps) step() {
	if s.n++; s.n == s.dieAt {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

// mortal is a signer with steps before and after what it does.
type mortal struct {
	signer.Signer
	steps *steps
}

func (m mortal) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	m.steps.step()
	return m.Signer.Active(ctx, domains)
}

func (m mortal) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	m.steps.step()
	defer m.steps.step()
	return m.Signer.Activate(ctx, keys)
}

func (m mortal) Forget(ctx context.Context, keys []dkim.Ref) error {
	m.steps.step()
	return m.Signer.(signertest.Forgetter).Forget(ctx, keys)
}

func (m mortal) Overruled(ctx context.Context, domains []string) map[string]string {
	m.steps.step()
	return m.Signer.(ports.Sharer).Overruled(ctx, domains)
}

func (m mortal) Unkept(ctx context.Context, signs map[string]dkim.Ref) map[string]string {
	return m.Signer.(ports.Keeper).Unkept(ctx, signs)
}

func (m mortal) KnowOthers(know func(context.Context) (map[string]dkim.Ref, error)) {
	m.Signer.(signer.Reloads).KnowOthers(know)
}

type mortalMemory struct {
	stdio.Memory
	steps *steps
	place place
}

func (m mortalMemory) Hold(ctx context.Context) (stdio.Memo, func(), error) {
	if m.place.Wait > 0 {
		os.WriteFile(m.place.State+".begun", nil, 0o600)
		time.Sleep(m.place.Wait)
	}
	return m.Memory.Hold(ctx)
}

func (m mortalMemory) Save(memo stdio.Memo) error {
	m.steps.step()
	defer m.steps.step()
	return m.Memory.Save(memo)
}

// lab is a host with a real sshd and a real OpenDKIM.
type lab struct {
	*signertest.SSHD
	dkim  *signertest.OpenDKIM
	place place
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{dkim: signertest.StartOpenDKIM(t)}
	l.SSHD = signertest.StartSSHD(t, "false")
	l.Force(t, l.at("agent"))
	must(t, os.WriteFile(l.at("agent"), []byte("#!/bin/sh\n"+placeVariable+"="+l.at("place.json")+" exec "+os.Args[0]+"\n"),
		0o700))
	must(t, os.WriteFile(l.at("reload"), []byte("#!/bin/sh\nexec kill -USR1 $(cat "+l.at("pid")+")\n"), 0o700))
	l.place = place{Agent: "mx2", State: l.at("state"), OpenDKIM: opendkim.Config{KeyDir: l.dkim.KeyDir,
		KeyTable: l.dkim.KeyTable, SigningTable: l.dkim.SigningTable, Owner: "opendkim", Reload: []string{l.at("reload")},
		ReloadTimeout: time.Minute, Lag: time.Second, Milter: l.dkim.Socket}}
	if os.Geteuid() != 0 {
		l.place.OpenDKIM.Owner = ""
	}
	l.put(t)
	return l
}

func (l *lab) at(name string) string { return filepath.Join(l.Dir, name) }

// put tells the program on the host.
func (l *lab) put(t testing.TB) {
	t.Helper()
	text, err := json.Marshal(l.place)
	must(t, err)
	must(t, os.WriteFile(l.at("place.json"), text, 0o600))
	must(t, os.WriteFile(l.at("pid"), fmt.Append(nil, l.dkim.PID), 0o600))
}

// open returns a signer as the configuration makes it.
func (l *lab) open(t testing.TB, change func(*agent.Config)) *ssh.Signer {
	t.Helper()
	c := agent.Defaults()
	c.BySSH = agent.BySSH{Via: agent.ViaSSH, Host: "127.0.0.1", Port: l.Port, User: l.User, IdentityFile: l.Identity,
		KnownHosts: l.KnownHosts, ConnectTimeout: time.Minute}
	c.Timeout = 3 * time.Minute
	if change != nil {
		change(c)
	}
	s, err := c.Open("mx2", nil)
	must(t, err)
	return s.(*ssh.Signer)
}

// instead lets the host run a shell script in the place of the agent.
func (l *lab) instead(t testing.TB, script string) {
	t.Helper()
	must(t, os.WriteFile(l.at("instead"), []byte("#!/bin/sh\n"+script+"\n"), 0o700))
	l.Force(t, l.at("instead"))
}

// signsWith is what OpenDKIM really does.
func (l *lab) signsWith(t testing.TB, want dkim.SigningKey) {
	t.Helper()
	if got := l.dkim.SignsWith(t, want.Domain, want.Key); got != want.Ref() {
		t.Errorf("%s is signed with %v, want %v", want.Domain, got, want.Ref())
	}
}

func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
