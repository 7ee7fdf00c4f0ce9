package stdio_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/ssh"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/ssh/stdio"
	"github.com/dkimbot/dkimbot/rotate/signer/protocol"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// table is a signer that keeps keys in memory.
type table struct {
	keys map[string]dkim.Ref
	err  error
}

func (s *table) Active(context.Context, []string) (map[string]dkim.Ref, error) { return s.keys, s.err }

func (s *table) Activate(_ context.Context, keys []dkim.SigningKey) error {
	for _, k := range keys {
		s.keys[k.Domain] = k.Ref()
	}
	return nil
}

func (s *table) Lag() time.Duration { return time.Second }

func newHost(t *testing.T) (*stdio.Host, *table) {
	s := &table{keys: map[string]dkim.Ref{}}
	return &stdio.Host{Agent: "mx2", Name: "mail2", Version: "1", Domains: []string{"a.example", "b.example"}, Signer: s,
		Memory: &stdio.Directory{Path: filepath.Join(signertest.SafeDir(t), "state")}, Now: time.Now}, s
}

// ask returns the answer to a request.
func ask(t *testing.T, h *stdio.Host, in io.Reader) ssh.Answer {
	t.Helper()
	var out bytes.Buffer
	if err := h.Serve(t.Context(), in, &out); err != nil {
		t.Fatal(err)
	}
	a, _, err := ssh.ReadAnswer(out.Bytes())
	if err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	return a
}

func request(action, ticket string, entries ...protocol.Entry) io.Reader {
	text, _ := json.Marshal(ssh.Request{Ticket: ticket, Request: protocol.Request{FormatVersion: 1, Action: action,
		Signer: "mx2", Domains: entries}})
	return bytes.NewReader(text)
}

func entry(k dkim.SigningKey) protocol.Entry {
	return protocol.Entry{Domain: k.Domain, Selector: k.Selector, KeyID: k.Ref().KeyID, PrivateKey: string(k.Key.PEM())}
}

// TestTickets guards I7: only the newest ticket lets a change through, and everything that is asked makes a new one.
func TestTickets(t *testing.T) {
	h, s := newHost(t)
	k := entry(signertest.At("a.example", "s1", signertest.Keys(t, 1)[0]))
	first := ask(t, h, request("activate", "", k))
	if !first.Stale || len(s.keys) != 0 {
		t.Fatalf("without a ticket: %+v, %v", first, s.keys)
	}
	second := ask(t, h, request("active", "", protocol.Entry{Domain: "a.example"}))
	if a := ask(t, h, request("activate", first.Ticket, k)); !a.Stale || len(s.keys) != 0 || a.Instance != first.Instance {
		t.Fatalf("with an old ticket: %+v, %v", a, s.keys)
	}
	third := ask(t, h, request("forget", second.Ticket, k))
	if !third.Stale {
		t.Errorf("forget with an old ticket: %+v", third)
	}
	if a := ask(t, h, request("activate", third.Ticket, k)); a.Stale || a.Active["a.example"].Selector != "s1" ||
		a.Lag != time.Second || a.Host != "mail2" {
		t.Errorf("with the newest ticket: %+v", a)
	}
}

// reloading is a table of a daemon that is reloaded for all domains at once.
type reloading struct {
	table
	know func(context.Context) (map[string]dkim.Ref, error)
}

func (s *reloading) KnowOthers(know func(context.Context) (map[string]dkim.Ref, error)) {
	s.know = know
}

// TestOthers: a change says what other domains are to stay signed with; the host takes that for the domains that it
// lists. A coordinator of an older version says nothing.
func TestOthers(t *testing.T) {
	h, _ := newHost(t)
	keys := signertest.Keys(t, 2)
	b, c := signertest.At("b.example", "s2", keys[1]), signertest.At("c.example", "s1", keys[1])
	for _, others := range []map[string]ssh.Signs{nil, {"b.example": {Selector: "s2", KeyID: b.Ref().KeyID},
		"c.example": {Selector: "s1", KeyID: c.Ref().KeyID}}} {
		s := &reloading{table: table{keys: map[string]dkim.Ref{}}}
		h.Signer = s
		text, err := json.Marshal(ssh.Request{Ticket: ask(t, h, request("active", "")).Ticket, Others: others,
			Request: protocol.Request{FormatVersion: 1, Action: "activate", Signer: "mx2",
				Domains: []protocol.Entry{entry(signertest.At("a.example", "s1", keys[0]))}}})
		if err != nil {
			t.Fatal(err)
		}
		if a := ask(t, h, bytes.NewReader(text)); len(a.Active) != 1 || a.Refused != nil {
			t.Fatalf("%+v", a)
		}
		if others == nil {
			if s.know != nil {
				t.Error("it was given what nobody said")
			}
			continue
		}
		known, err := s.know(t.Context())
		if want := map[string]dkim.Ref{"b.example": b.Ref()}; err != nil || !maps.Equal(known, want) {
			t.Errorf("%v, %v; want %v", known, err, want)
		}
	}
}

const wayOut = "list it in agent.yaml on the host, or take the signer out of the domain's signers"

// TestOnlyItsOwn: a host takes keys for the domains that it lists, and only the key that is named.
func TestOnlyItsOwn(t *testing.T) {
	h, s := newHost(t)
	keys := signertest.Keys(t, 2)
	a, b := entry(signertest.At("a.example", "s1", keys[0])), entry(signertest.At("b.example", "s1", keys[0]))
	other := entry(signertest.At("c.example", "s1", keys[0]))
	a.KeyID = keys[1].ID()
	ticket := ask(t, h, request("active", "")).Ticket
	got := ask(t, h, request("activate", ticket, a, b, other))
	if len(s.keys) != 1 || got.Active["b.example"].KeyID != keys[0].ID() || !got.Failed["a.example"].Lasting ||
		!strings.Contains(got.Failed["c.example"].Error, "does not list this domain") ||
		!strings.Contains(got.Failed["c.example"].Hint, wayOut) {
		t.Errorf("%+v; it signs for %v", got, s.keys)
	}
	text, _ := json.Marshal(got)
	for line := range strings.Lines(a.PrivateKey) {
		if line = strings.TrimSpace(line); len(line) > 20 && bytes.Contains(text, []byte(line)) {
			t.Error("the answer holds a piece of the key")
		}
	}
	s.err = errors.New("the milter is down")
	got = ask(t, h, request("active", "", protocol.Entry{Domain: "a.example"}))
	if len(got.Active) != 0 || !strings.Contains(got.Failed["a.example"].Error, "milter is down") {
		t.Errorf("a signer that does not answer: %+v", got)
	}
}

// TestRefusals: what can't be served is said, with what to do.
func TestRefusals(t *testing.T) {
	h, _ := newHost(t)
	for _, in := range []io.Reader{
		strings.NewReader("GET / HTTP/1.0\r\n\r\n"), strings.NewReader(`{"format_version":2}`),
		strings.NewReader(`{"format_version":1,"action":"active","signer":"mx1"}`), request("explode", newest(t, h)),
	} {
		shown(t, ask(t, h, in))
	}
	a := ask(t, h, request("explode", newest(t, h), protocol.Entry{Domain: "c.example"}))
	if a.Refused == nil || len(a.Failed) > 0 || len(a.Active) > 0 {
		t.Errorf("what is refused says something of domains: %+v", a)
	}
	cut, cancel := context.WithCancel(t.Context())
	cancel()
	waits, w := io.Pipe()
	defer w.Close()
	var out bytes.Buffer
	if err := h.Serve(cut, waits, &out); err != nil {
		t.Fatal(err)
	}
	answer, _, err := ssh.ReadAnswer(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	shown(t, answer)
	faulttest.Shown(t, h.Serve(t.Context(), request("active", ""), full{}))
}

// TestFirstError: where a key that was refused is not known to sign either, why it was refused is said.
func TestFirstError(t *testing.T) {
	h, s := newHost(t)
	s.err = fault.Temporary("read the table", errors.New("it is damaged"), "correct it")
	k := entry(signertest.At("a.example", "s1", signertest.Keys(t, 1)[0]))
	k.KeyID = strings.Repeat("0", 64)
	a := ask(t, h, request("activate", newest(t, h), k))
	if got := a.Failed["a.example"].Error; !strings.Contains(got, "not the one that is named") {
		t.Errorf("it says %q", got)
	}
}

func newest(t *testing.T, h *stdio.Host) string { return ask(t, h, request("active", "")).Ticket }

// full is a connection that was cut.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// shown wants a refusal among the known texts.
func shown(t *testing.T, a ssh.Answer) {
	t.Helper()
	if a.Refused == nil {
		t.Errorf("it is not refused: %+v", a)
		return
	}
	err := fault.Temporary(a.Refused.Error, nil, a.Refused.Hint)
	if a.Refused.Lasting {
		err = fault.Lasting(a.Refused.Error, nil, a.Refused.Hint)
	}
	faulttest.ShownFor(t, err, 1)
}

// TestMemory: what is remembered can be lost or damaged, one request is served at a time, and a directory that others
// can write is refused.
func TestMemory(t *testing.T) {
	h, _ := newHost(t)
	d := h.Memory.(*stdio.Directory)
	first := ask(t, h, request("active", ""))
	path := filepath.Join(d.Path, "ssh.json")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if a := ask(t, h, request("active", "")); a.Refused != nil || a.Instance == first.Instance {
		t.Errorf("after damage: %+v", a)
	}
	_, done, err := d.Hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, _, err := (&stdio.Directory{Path: d.Path}).Hold(ctx); fault.KindOf(err) != fault.Transient || err == nil ||
		!strings.Contains(err.Error(), "for the request before") {
		t.Errorf("while another one is served: %v", err)
	}
	done()
	h.Memory = &stdio.Directory{Path: "/proc/state"}
	if a := ask(t, h, request("active", "")); a.Refused == nil || !strings.Contains(a.Refused.Hint,
		"let the user that sshd runs the agent as write there, or name another state_dir") {
		t.Errorf("where nothing can be written: %+v", a.Refused)
	}
	h.Memory = d
	if err := os.Chmod(d.Path, 0o777); err != nil {
		t.Fatal(err)
	}
	if a := ask(t, h, request("active", "")); a.Refused == nil || !a.Refused.Lasting ||
		!strings.Contains(a.Refused.Hint, "chmod") {
		t.Errorf("a directory that others can write: %+v", a.Refused)
	}
	memo := filepath.Join(d.Path, "ssh.json")
	if err := cmp.Or(os.Chmod(d.Path, 0o777|os.ModeSticky), os.Chmod(memo, 0o666)); err != nil {
		t.Fatal(err)
	}
	if a := ask(t, h, request("active", "")); a.Refused == nil || a.Refused.Hint != "run: chmod go-w "+memo {
		t.Errorf("a memory that others can write: %+v", a.Refused)
	}
}

// TestFullStateDir guards I7 on a host whose disk is full: it is asked and answers, each time with a new ticket, and no
// older one lets a change through. Where there is nothing to write over, what lacks room is named.
func TestFullStateDir(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatalf("%s mounts a file system and needs root; leave it out with -skip %s", t.Name(), t.Name())
	}
	h, s := newHost(t)
	path := h.Memory.(*stdio.Directory).Path
	mount := func(where string) {
		if err := cmp.Or(os.MkdirAll(where, 0o700), syscall.Mount("tmpfs", where, "tmpfs", 0, "size=64k,mode=0700")); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { syscall.Unmount(where, syscall.MNT_DETACH) })
	}
	fill := func(where string) {
		if err := os.WriteFile(filepath.Join(where, "filler"), make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("the file system is not full: %v", err)
		}
	}
	mount(path)
	k := entry(signertest.At("a.example", "s1", signertest.Keys(t, 1)[0]))
	before := ask(t, h, request("active", ""))
	fill(path)
	after := ask(t, h, request("active", "", protocol.Entry{Domain: "a.example"}))
	if after.Refused != nil || after.Ticket == before.Ticket || after.Instance != before.Instance {
		t.Fatalf("a question: %+v", after)
	}
	stale := ask(t, h, request("activate", before.Ticket, k))
	if !stale.Stale || len(s.keys) > 0 {
		t.Errorf("with an old ticket: %+v", stale)
	}
	if a := ask(t, h, request("activate", stale.Ticket, k)); a.Stale || a.Active["a.example"].Selector != "s1" {
		t.Errorf("with the newest ticket, where the signer needs no room: %+v", a)
	}

	never := filepath.Join(filepath.Dir(path), "never")
	mount(never)
	fill(never)
	h.Memory = &stdio.Directory{Path: never}
	if a := ask(t, h, request("active", "")); a.Refused == nil || a.Refused.Lasting ||
		!strings.Contains(a.Refused.Hint, "make room on the host's file system") {
		t.Errorf("with nothing to write over: %+v", a.Refused)
	}
}
