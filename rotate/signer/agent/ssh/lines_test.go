package ssh_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/ssh"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// answering returns a signer whose ssh prints these lines, and notes each connection in a file.
func answering(t *testing.T, lines string) (s *ssh.Signer, connections func() int) {
	t.Helper()
	dir := t.TempDir()
	notes := filepath.Join(dir, "notes")
	must(t, os.WriteFile(filepath.Join(dir, "ssh"), fmt.Appendf(nil, "#!/bin/sh\ncat >/dev/null\necho x >>%s\nprintf '%%s\\n' %s\n",
		notes, quoted(lines)), 0o700))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	s = ssh.New(ssh.Config{Name: "mx2", Agent: "mx2", Host: "mail2", ConnectTimeout: time.Minute, Timeout: time.Minute})
	return s, func() int {
		text, _ := os.ReadFile(notes)
		return strings.Count(string(text), "x")
	}
}

// TestForgedLines: what a host says of itself, and of lines in its tables, stays in the line in which it is told.
func TestForgedLines(t *testing.T) {
	s, _ := answering(t, `{"format_version":1,"signer":"mx2","instance":"A","host":"mail2\nok      signer mx3","version":"1\n2",`+
		`"active":{"a.example":{"selector":"s1"}},"overruled":{"a.example":"line 3\nok"}}`)
	if _, err := s.Active(t.Context(), []string{"a.example"}); err != nil {
		t.Fatal(err)
	}
	told := []string{s.Overruled(t.Context(), []string{"a.example"})["a.example"]}
	for _, a := range preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Name: "mx2", Questions: s.Check(nil)}},
		preflight.Usual) {
		told = append(told, a.Found)
	}
	for i, want := range map[int]string{0: "line 3 ok", 2: "dkimbot 1 2 on host mail2 ok signer mx3"} {
		if strings.Contains(told[i], "\n") || !strings.Contains(told[i], want) {
			t.Errorf("%q; want %q in one line", told[i], want)
		}
	}
}

// TestCrowdedHost: a change before which others ask each time is given up after some connections, and is no success.
func TestCrowdedHost(t *testing.T) {
	s, connections := answering(t, `{"format_version":1,"signer":"mx2","instance":"A","ticket":"T","stale":true}`)
	err := s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])})
	if err == nil || fault.KindOf(err) != fault.Transient || !strings.Contains(err.Error(), "at the same time") {
		t.Errorf("it says %v", err)
	}
	if n := connections(); n < 2 || n > 10 {
		t.Errorf("%d connections", n)
	}
}

// TestUnasked: what a host says of domains that it was not asked about does not count.
func TestUnasked(t *testing.T) {
	s, _ := answering(t, `{"format_version":1,"signer":"mx2","instance":"A","active":{"b.example":{"selector":"s1"}},`+
		`"failed":{"b.example":{"error":"x"}},"overruled":{"b.example":"line 3"}}`)
	active, err := s.Active(t.Context(), []string{"a.example"})
	if over := s.Overruled(t.Context(), []string{"a.example", "b.example"}); err != nil || len(active) > 0 || len(over) > 0 {
		t.Errorf("%v, %v, %v", active, err, over)
	}
}

// TestDoubtfulAnswers guards I10: what a host says in two ways is not known, the answer of another agent is none, and the
// lag that a host claims is bounded.
func TestDoubtfulAnswers(t *testing.T) {
	const both = `"active":{"a.example":{"selector":"s1"}},"failed":{"a.example":{"error":"the table is damaged"}}}`
	s, _ := answering(t, `{"format_version":1,"signer":"mx2","instance":"A","lag_ns":9000000000000000000,`+both)
	active, err := s.Active(t.Context(), []string{"a.example"})
	if len(active) > 0 || err == nil || !strings.Contains(err.Error(), "the table is damaged") {
		t.Errorf("in two ways: %v, %v", active, err)
	}
	if s.Lag() != 24*time.Hour {
		t.Errorf("the lag is %s", s.Lag())
	}
	s, _ = answering(t, `{"format_version":1,"signer":"mx3","instance":"A",`+both)
	if active, err := s.Active(t.Context(), []string{"a.example"}); err == nil || len(active) > 0 ||
		!strings.Contains(err.Error(), "another agent") {
		t.Errorf("of another agent: %v, %v", active, err)
	}
}

// TestQuietWithKeys guards I9: of the answer to a request that holds private keys nothing is shown.
func TestQuietWithKeys(t *testing.T) {
	s, _ := answering(t, `{"format_version":1,"signer":"mx2","instance":"A","ticket":"T",`+
		`"active":{"a.example":{"selector":"s1"}},"overruled":{"a.example":"a piece of the key"}}`)
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	if err := s.Activate(t.Context(), []dkim.SigningKey{key}); err != nil {
		t.Fatal(err)
	}
	if over := s.Overruled(t.Context(), []string{"a.example"}); len(over) > 0 {
		t.Errorf("it shows %v", over)
	}
}
