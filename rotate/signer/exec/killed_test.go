package exec

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

func TestMain(m *testing.M) {
	signertest.Main(m, func(name string, cfg Config, _ func(string) error) (signertest.Signer, error) {
		cfg.Name = name
		return New(cfg)
	})
}

// step counts what the hook does, one at a time, and kills the command, or dkimbot, at one of them. The command is the
// leader of its group, and dkimbot is its parent.
const step = `step() {
	n=$(($(cat DIR/steps) + 1))
	echo $n >DIR/steps
	[ "$n" = "$(cat DIR/at)" ] || return 0
	read -r _ _ _ _ command _ </proc/$$/stat
	read -r _ _ _ dkimbot _ </proc/$command/stat
	case $(cat DIR/whom) in
	dkimbot) kill -KILL "$dkimbot" ;;
	command) kill -KILL 0 ;;
	esac
}
`

// mortal is the hook of the examples, with steps before and after it and each of its writes.
type mortal struct {
	*testing.T
	dir, files string
	cfg        Config
}

func newMortal(t *testing.T) *mortal {
	m := &mortal{T: t, dir: t.TempDir()}
	m.files = filepath.Join(m.dir, "files")
	where, err := filepath.Abs(hook)
	if err == nil {
		err = os.Mkdir(m.files, 0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
	m.script("mv", "step\nPATH=${PATH#DIR:}\nmv \"$@\"\nstep\n")
	m.script("hook", "step\nPATH=DIR:$PATH "+where+" DIR/files\nstatus=$?\nstep\necho >>DIR/ended\nexit $status\n")
	m.cfg = Config{Name: "hook", Command: []string{filepath.Join(m.dir, "hook")}, Timeout: time.Minute}
	m.dies(0, "")
	return m
}

func (m *mortal) script(name, text string) {
	m.write(name, strings.ReplaceAll("#!/bin/sh\n"+step+text, "DIR", m.dir), 0o700)
}

func (m *mortal) write(name, text string, mode os.FileMode) {
	m.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte(text), mode); err != nil {
		m.Fatal(err)
	}
}

func (m *mortal) read(name string) string {
	text, _ := os.ReadFile(filepath.Join(m.dir, name))
	return string(text)
}

// dies says who is killed at which step from now on.
func (m *mortal) dies(at int, whom string) {
	m.write("steps", "0\n", 0o600)
	m.write("at", fmt.Sprintln(at), 0o600)
	m.write("whom", whom+"\n", 0o600)
	os.Remove(filepath.Join(m.dir, "ended"))
}

// signs is what a domain is signed with.
func (m *mortal) signs(domain string) dkim.Ref {
	f := strings.Fields(m.read("files/" + domain))
	if len(f) != 2 {
		m.Errorf("the file of %s holds %q", domain, f)
		return dkim.Ref{}
	}
	return dkim.Ref{Name: dkim.Name{Domain: domain, Selector: f[0]}, KeyID: f[1]}
}

// TestKilledAnywhere guards I1, I7 and I10: wherever the command is killed, or dkimbot beside it, each domain is signed
// with one key, the old or the new one; nothing is confirmed that was not answered; and the next run leads to the same
// end, also while a command that was left behind still runs.
func TestKilledAnywhere(t *testing.T) {
	m, k := newMortal(t), signertest.Keys(t, 2)
	all := func(selector string, key *dkim.PrivateKey) (out []dkim.SigningKey) {
		for _, domain := range []string{"a.example", "b.example", "c.example"} {
			out = append(out, signertest.At(domain, selector, key))
		}
		return out
	}
	old, next := all("s1", k[0]), all("s2", k[1])
	again := newSigner(t, m.cfg)
	for _, whom := range []string{"command", "dkimbot"} {
		for at, more := 1, true; more; at++ {
			m.dies(0, "")
			if err := again.Activate(t.Context(), old); err != nil {
				t.Fatal(err)
			}
			m.dies(at, whom)
			killed, err := signertest.Elsewhere(t, m.cfg.Name, m.cfg, 0, next...)
			if more = killed || err != nil; !more {
				if at != 9 {
					t.Errorf("there were %d steps of the %s", at-1, whom)
				}
				continue
			}
			if killed != (whom == "dkimbot") {
				t.Fatalf("step %d of the %s: %v", at, whom, err)
			}
			m.write("at", "0\n", 0o600)
			for i, key := range next {
				if is := m.signs(key.Domain); is != old[i].Ref() && is != key.Ref() {
					t.Errorf("step %d of the %s: %s is signed with %v", at, whom, key.Domain, is)
				}
			}
			if err := again.Activate(t.Context(), next); err != nil {
				t.Errorf("after step %d of the %s: %v", at, whom, err)
			}
			for deadline := time.Now().Add(time.Minute); whom == "dkimbot" && len(m.read("ended")) < 2; {
				if time.Sleep(10 * time.Millisecond); time.Now().After(deadline) {
					t.Fatal("the command that was left behind does not end")
				}
			}
			active, err := again.Active(t.Context(), []string{"a.example", "b.example", "c.example"})
			for _, key := range next {
				if is := m.signs(key.Domain); is != key.Ref() || active[key.Domain] != is {
					t.Errorf("after step %d of the %s: %s is signed with %v; it says %v, %v", at, whom, key.Domain, is,
						active, err)
				}
			}
		}
	}
}
