package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// places are what a host's image holds, beside its programs: the signer's tables and keys, and the agent's memory.
func (h *agentHost) places() []string {
	return []string{h.opendkim.KeyTable, h.opendkim.SigningTable, h.opendkim.KeyDir,
		filepath.Join(h.lab.Dir, h.name, "state")}
}

// image copies the host, whose agent does not run.
func (h *agentHost) image(t *testing.T) (restore func()) {
	t.Helper()
	kept := t.TempDir()
	must(t, os.CopyFS(filepath.Join(kept, "keys"), os.DirFS(h.opendkim.KeyDir)))
	must(t, os.CopyFS(filepath.Join(kept, "state"), os.DirFS(filepath.Join(h.lab.Dir, h.name, "state"))))
	tables := map[string]string{}
	for _, path := range h.places()[:2] {
		text, err := os.ReadFile(path)
		must(t, err)
		tables[path] = string(text)
	}
	return func() {
		t.Helper()
		h.wipe(t)
		h.opendkim.Stop(t)
		for path, text := range tables {
			must(t, os.WriteFile(path, []byte(text), 0o644))
		}
		must(t, h.put(filepath.Join(kept, "keys"), h.opendkim.KeyDir))
		must(t, h.put(filepath.Join(kept, "state"), filepath.Join(h.lab.Dir, h.name, "state")))
		h.opendkim.Start(t)
		h.pid(t)
	}
}

// put copies a directory back, for the signer's user.
func (h *agentHost) put(from, to string) error {
	owner, err := os.Stat(h.opendkim.KeyDir)
	if err != nil {
		return err
	}
	return filepath.Walk(from, func(path string, info os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		at := filepath.Join(to, strings.TrimPrefix(path, from))
		if info.IsDir() {
			err = os.MkdirAll(at, 0o700)
		} else if text, rerr := os.ReadFile(path); rerr != nil {
			err = rerr
		} else {
			err = os.WriteFile(at, text, 0o600)
		}
		if err == nil && to == h.opendkim.KeyDir {
			of := owner.Sys().(*syscall.Stat_t)
			err = os.Chown(at, int(of.Uid), int(of.Gid))
		}
		return err
	})
}

// signs is the selector that the host's mail is signed with, where that verifies.
func (h *agentHost) signs(t *testing.T, f *flow) string {
	t.Helper()
	answer := h.opendkim.Mail(t, "example.test")
	if len(answer.Signatures) != 1 || f.verify(answer.Signatures[0].Message) != nil {
		return ""
	}
	return answer.Signatures[0].Selector
}

// TestAgentsFromImages guards I1, I2 and I10 with a real Vault and real OpenDKIMs, through the program: an agent that is
// away for longer than the drain and two rotations; a host that comes back from an image in which an older key signs;
// and a second host under one name. No key is replaced that one of them may use, and each is said by name.
func TestAgentsFromImages(t *testing.T) {
	t.Parallel()
	l, server := withAgents(t)
	mx1, mx2 := newAgentHost(t, l, server, "mx1"), newAgentHost(t, l, server, "mx2")
	f := &flow{lab: l}
	mx1.start(t)
	mx2.start(t)
	rotated := func(active string) {
		t.Helper()
		eventually(t, "ready with "+active, func() bool {
			st := l.status(t, "example.test")
			done := st.Phase == "ready" && st.Active != nil && *st.Active == active
			if !done {
				l.run(t, "rotate", "--domain", "example.test")
			}
			return done
		})
		for _, h := range []*agentHost{mx1, mx2} {
			if s := h.signs(t, f); s != active {
				t.Errorf("%s signs with %q, want %s", h.name, s, active)
			}
		}
	}
	rotated("s1")

	mx2.stop()
	restore := mx2.image(t)
	record := l.read(t, "zones/example.test.zone")
	for until := time.Now().Add(18 * time.Second); time.Now().Before(until); time.Sleep(time.Second) {
		l.run(t, "rotate", "--domain", "example.test") // a rotation, and the ones that would follow
		l.run(t, "rotate", "--due")
		if one, two := mx1.signs(t, f), mx2.signs(t, f); one == "" || two != "s1" {
			t.Fatalf("mx1 signs with %q, mx2, whose agent is away, with %q", one, two)
		}
	}
	if st := l.status(t, "example.test"); st.Phase != "switching" || l.read(t, "zones/example.test.zone") != record {
		t.Errorf("while mx2 is away the phase is %s", st.Phase)
	}
	mx2.start(t)
	rotated("s2")
	rotated("s1")

	mx2.stop()
	restore() // s1 of the image is a key that was replaced since
	if s := mx2.signs(t, f); s != "" {
		t.Fatalf("the image signs with %s, and that verifies", s)
	}
	began := time.Now()
	mx2.start(t)
	eventually(t, "the restored host signs with s1 as it is now", func() bool { return mx2.signs(t, f) == "s1" })
	t.Logf("the restored host signed rightly %s after its agent was started", time.Since(began).Round(10*time.Millisecond))
	mx2.replaced(t)
	rotated("s2")

	twin := &agentHost{name: "mx2", lab: l, opendkim: signertest.StartOpenDKIM(t)}
	twin.config = mx2.twinOf(t, twin.opendkim)
	twin.start(t)
	defer twin.stop()
	eventually(t, "the second host is said", func() bool {
		return strings.Contains(l.run(t, "check").out, "several hosts")
	})
	record = l.read(t, "zones/example.test.zone")
	l.run(t, "rotate", "--domain", "example.test").want(t, 1, "several hosts", "phase switching")
	time.Sleep(6 * time.Second) // longer than the drain
	l.run(t, "rotate", "--due")
	if st := l.status(t, "example.test"); st.Phase != "switching" || l.read(t, "zones/example.test.zone") != record {
		t.Errorf("with two hosts under one name the phase is %s", st.Phase)
	}
	for _, h := range []*agentHost{mx1, mx2, twin} {
		if s := h.signs(t, f); s != "s1" && s != "s2" {
			t.Errorf("%s signs with %q", h.name, s)
		}
	}
	twin.stop()
	mx2.replaced(t)
	rotated("s1")
}

// replaced has the operator say that the other host of the agent is gone, by the name that check gives.
func (h *agentHost) replaced(t *testing.T) {
	t.Helper()
	gone := ""
	eventually(t, "the coordinator says which host of "+h.name+" is not heard of any more", func() bool {
		_, rest, _ := strings.Cut(h.lab.run(t, "check").out, "write gone: ")
		gone, _, _ = strings.Cut(rest, " ")
		return gone != ""
	})
	config := h.lab.read(t, "dkimbot.yaml")
	was, list, _ := strings.Cut(config, "  "+h.name+":\n")
	if before, named := strings.CutPrefix(list, "    gone: "); named {
		before, list, _ = strings.Cut(before, "\n")
		gone = before + " " + gone
	}
	list = "    gone: " + gone + "\n" + list
	h.lab.file(t, "dkimbot.yaml", was+"  "+h.name+":\n"+list)
}

// twinOf writes the configuration of a second host that has the agent's name and login.
func (h *agentHost) twinOf(t *testing.T, d *signertest.OpenDKIM) (config string) {
	t.Helper()
	text := h.lab.read(t, h.name+"/agent.yaml")
	for from, to := range map[string]string{h.opendkim.KeyDir: d.KeyDir, h.opendkim.KeyTable: d.KeyTable,
		h.opendkim.SigningTable: d.SigningTable, h.opendkim.Socket: d.Socket} {
		text = strings.Replace(text, ": "+from+"\n", ": "+to+"\n", 1)
	}
	for _, name := range []string{"role-id", "secret-id"} {
		h.lab.file(t, "twin/"+name, h.lab.read(t, h.name+"/"+name))
	}
	h.lab.file(t, "twin/reload", "#!/bin/sh\nexec kill -USR1 "+fmt.Sprint(d.PID)+"\n")
	must(t, os.Chmod(filepath.Join(h.lab.Dir, "twin", "reload"), 0o700))
	h.lab.file(t, "twin/agent.yaml", text)
	return filepath.Join(h.lab.Dir, "twin", "agent.yaml")
}
