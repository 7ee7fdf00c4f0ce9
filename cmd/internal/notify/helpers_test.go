package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// logged is a log that can be read while it is written.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newLog() (*slog.Logger, *logged) {
	l := &logged{}
	return slog.New(slog.NewTextHandler(l, nil)), l
}

// eventually polls until ok holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

// script writes a program of the operator's.
func script(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hook")
	must(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700))
	return path
}

func hook(t testing.TB, text string, args ...string) Hook {
	return Hook{Command: append([]string{script(t, text)}, args...), Timeout: time.Minute}
}

var (
	then   = time.Date(2026, 3, 1, 4, 0, 0, 0, time.FixedZone("CET", 3600))
	domain = rotate.Domain{Name: "example.com", Signers: []string{"mx1"}}
	begins = rotate.Step{Kind: rotate.Activate, Selector: "s2", Signer: "mx1",
		Reason: rotate.Reason{Code: "asked", Message: "a rotation was asked for"},
		From:   rotate.Side{Selector: "s1", KeyID: "aaaa"}, To: rotate.Side{Selector: "s2", KeyID: "bbbb"}}
	trouble = fault.Temporary("switch signer mx1 to s2._domainkey.example.com", context.DeadlineExceeded,
		"look at the signer's log")
	failedAt = rotate.Event{Domain: "example.com", At: then, By: "root@mail1", Kind: rotate.Activate, Selector: "s2",
		Signer: "mx1", KeyID: "bbbb",
		Outcome: "failed", Message: trouble.Error(), Phase: rotate.Switching}
	drainingState = rotate.State{Domain: "example.com", Phase: rotate.Draining, Active: "s2", Draining: "s1",
		Selectors: map[string]*rotate.Selector{"s1": {Key: &rotate.Key{ID: "aaaa"}}, "s2": {Key: &rotate.Key{ID: "bbbb"}}}}
)

// finishSwitch tells n that a switch is finished.
func finishSwitch(n *Notifier) {
	n.Stored(rotate.State{Domain: "example.com", Phase: rotate.Switching, Active: "s1", Target: "s2"}, drainingState)
}

// finishRotation tells n that a rotation is finished.
func finishRotation(n *Notifier) {
	after := drainingState
	after.Phase, after.Draining = rotate.Ready, ""
	n.Stored(rotate.State{Domain: "example.com", Phase: rotate.Replacing, Active: "s2", Draining: "s1"}, after)
}

// documents reads a document from each line.
func documents(t testing.TB, text string) (docs []Document) {
	t.Helper()
	for line := range strings.Lines(text) {
		var d Document
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		docs = append(docs, d)
	}
	return docs
}
