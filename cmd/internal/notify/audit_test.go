package notify

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
)

func audited(t testing.TB) (n *Notifier, path string, said *logged) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "audit.jsonl")
	log, said := newLog()
	return New(Config{Audit: path, By: "root@mail1", Log: log}), path, said
}

// TestAudit: one line for each attempt, also refused ones and commands that never
// came to a domain; and nothing for what only began.
func TestAudit(t *testing.T) {
	n, path, said := audited(t)
	must(t, n.Consent(t.Context(), domain, begins))
	for _, outcome := range []codes.Outcome{"begun", "done"} {
		e := failedAt
		e.Outcome, e.Message = outcome, ""
		n.Step(e)
	}
	held := rotate.Event{Domain: "example.com", At: then, By: "root@mail1", Outcome: Refused}
	n.Failed(held, fault.Refuse("lease-held", "work on example.com", "wait"))
	n.Command("apply", "", fault.Refuse("stale-plan", "the plan is stale", "plan again"))
	n.Failed(failedAt, trouble)
	lines := documents(t, read(t, path)) // each is there when the call returns
	n.Close()
	var got []string
	for _, d := range lines {
		code := ""
		if d.Error != nil {
			code = d.Error.Kind + " " + string(d.Error.Code)
		}
		got = append(got, strings.Join(strings.Fields(strings.Join([]string{d.Event, d.Command, d.Domain, d.Step, d.Selector,
			d.Signer, code, d.By}, " ")), " "))
	}
	want := []string{
		"before_switch example.com activate s2 root@mail1",
		"done example.com activate s2 mx1 root@mail1",
		"refused example.com refused lease-held root@mail1",
		"refused apply refused stale-plan root@mail1",
		"failed example.com activate s2 mx1 transient root@mail1",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 || said.String() != "" {
		t.Errorf("%v, %v; log %q", info, err, said)
	}
}

// TestAuditMoved: whoever moves the log away gets a new one with the next line.
func TestAuditMoved(t *testing.T) {
	n, path, _ := audited(t)
	n.Failed(failedAt, trouble)
	must(t, os.Rename(path, path+".1"))
	n.Failed(failedAt, trouble)
	n.Failed(failedAt, trouble)
	n.Close()
	if old, now := documents(t, read(t, path+".1")), documents(t, read(t, path)); len(old) != 1 || len(now) != 2 {
		t.Errorf("%d lines in the old file, %d in the new one", len(old), len(now))
	}
}

// TestAuditTogether: processes that write at once spoil no line of each other's.
func TestAuditTogether(t *testing.T) {
	n, path, said := audited(t)
	log, _ := newLog()
	other := New(Config{Audit: path, By: "root@mail1", Log: log})
	var writing sync.WaitGroup
	for range 20 {
		for _, n := range []*Notifier{n, other} {
			writing.Go(func() {
				for range 10 {
					n.Failed(failedAt, trouble)
				}
			})
		}
	}
	writing.Wait()
	n.Close()
	other.Close()
	if lines := documents(t, read(t, path)); len(lines) != 400 {
		t.Errorf("%d lines, want 400\n%s", len(lines), said)
	}
}

// TestAuditCutOff: a line that was cut off spoils none of those that follow.
func TestAuditCutOff(t *testing.T) {
	n, path, _ := audited(t)
	must(t, os.WriteFile(path, []byte(`{"format_version":1,"ev`), 0o600))
	n.Failed(failedAt, trouble)
	n.Failed(failedAt, trouble)
	n.Close()
	_, rest, _ := strings.Cut(read(t, path), "\n")
	if lines := documents(t, rest); len(lines) != 2 {
		t.Errorf("the file holds\n%s", read(t, path))
	}
}

// TestAuditFull: while the log can't be written no switch begins, what is under
// way is reported of as usual, others hear of the log, and no line is lost.
func TestAuditFull(t *testing.T) {
	b := newInbox(t)
	log, said := newLog()
	path := filepath.Join(t.TempDir(), "gone", "audit.jsonl")
	n := New(Config{Audit: path, Webhook: &Webhook{URL: b.url, On: []string{Failed}, Timeout: time.Minute}, Log: log})
	for range 5 {
		n.Failed(failedAt, trouble)
	}
	for range 2 {
		err := n.Consent(t.Context(), domain, begins)
		if fault.KindOf(err) != fault.Refused || fault.CodeOf(err) != "audit-unwritten" ||
			!strings.HasSuffix(err.Error(), "no such file or directory") {
			t.Fatalf("a switch may begin unseen: %v", err)
		}
	}
	must(t, os.Mkdir(filepath.Dir(path), 0o700))
	if err := n.Consent(t.Context(), domain, begins); err != nil {
		t.Errorf("no switch can begin: %v", err)
	}
	n.Close()
	if lines := documents(t, read(t, path)); len(lines) != 8 {
		t.Errorf("%d lines, want 8", len(lines))
	}
	if strings.Count(said.String(), "can't be written") != 1 || strings.Count(said.String(), "can be written again") != 1 {
		t.Errorf("the log says\n%s", said)
	}
	if docs := b.docs(t); len(docs) != 2 || !strings.HasPrefix(docs[0].Message+docs[1].Message, "write the audit log: ") &&
		!strings.HasPrefix(docs[1].Message, "write the audit log: ") {
		t.Errorf("posted %v", b.bodies)
	}
}

// TestAuditLost: lines that can't be written to the end are counted, and those of a
// long time don't fill the memory.
func TestAuditLost(t *testing.T) {
	log, said := newLog()
	path := filepath.Join(t.TempDir(), "gone", "audit.jsonl")
	n := New(Config{Audit: path, Log: log})
	for i := range auditKept + 10 {
		e := failedAt
		e.Domain = fmt.Sprintf("d%d.example", i)
		n.Failed(e, trouble)
	}
	n.Close()
	if !strings.Contains(said.String(), "lines=10010") || len(n.audit.pending) != auditKept {
		t.Errorf("%d lines kept; the log says\n%s", len(n.audit.pending), said)
	}
}

// TestAuditOfOtherKinds: a pipe that nobody reads hangs nothing.
func TestAuditOfOtherKinds(t *testing.T) {
	n, path, _ := audited(t)
	must(t, syscall.Mkfifo(path, 0o600))
	if err := n.Consent(t.Context(), domain, begins); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("got %v", err)
	}
	n.Close()
}

// TestAuditHangs: a disk that does not answer holds nobody up for long, and a
// switch that it can't show does not begin.
func TestAuditHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, _ := newLog()
		n := New(Config{Audit: filepath.Join(t.TempDir(), "gone", "audit.jsonl"), Log: log})
		answers := make(chan struct{})
		n.audit.failed = func(error) { <-answers } // the writer waits there as for a disk that hangs
		start := time.Now()
		if err := n.Consent(t.Context(), domain, begins); fault.CodeOf(err) != "audit-unwritten" ||
			time.Since(start) > 2*auditWait {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		close(answers)
		n.Close()
	})
}

// TestAuditLock: who may read the log can lock it, and stops no switch by that.
func TestAuditLock(t *testing.T) {
	n, path, _ := audited(t)
	n.Failed(failedAt, trouble)
	must(t, os.Chmod(path, 0o644))
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	must(t, syscall.Flock(int(f.Fd()), syscall.LOCK_SH))
	must(t, n.Consent(t.Context(), domain, begins))
	n.Close()
	if got := len(documents(t, read(t, path))); got != 2 {
		t.Errorf("%d lines", got)
	}
}

// TestAuditPlanted: in a directory of another user no line lands in a file that is not the log's.
func TestAuditPlanted(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("run this test as root: it plants what another user could")
	}
	const other = 12345
	for how, plant := range map[string]func(mine, path string) error{
		"symbolic link": os.Symlink, "hard link": os.Link,
		"belongs to user 12345": func(_, path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o666), os.Chown(path, other, other))
		},
	} {
		dir, mine := t.TempDir(), filepath.Join(t.TempDir(), "mine")
		must(t, os.WriteFile(mine, []byte("precious"), 0o600))
		must(t, os.Chown(dir, other, other))
		path := filepath.Join(dir, "audit.jsonl")
		must(t, plant(mine, path))
		log, _ := newLog()
		foreseen := Config{Audit: path}.Check()
		if err := preflighttest.Wrong(preflight.Ask(t.Context(), foreseen, preflight.Usual)); err == nil ||
			!strings.Contains(err.Error(), how) {
			t.Errorf("%s: foreseen: %v", how, err)
		}
		n := New(Config{Audit: path, Memory: filepath.Join(dir, "reported.json"), Log: log})
		must(t, os.Symlink(mine, filepath.Join(dir, "reported.json")))
		if err := n.Consent(t.Context(), domain, begins); err == nil || !strings.Contains(err.Error(), how) ||
			fault.HintOf(err) == "" {
			t.Errorf("%s: got %v", how, err)
		}
		n.Failed(failedAt, trouble)
		n.Close()
		if text := read(t, mine); text != "precious" {
			t.Errorf("%s: a line landed in another file: %s", how, text)
		}
	}
}
