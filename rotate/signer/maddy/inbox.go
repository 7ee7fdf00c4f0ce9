package maddy

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// inbox is the socket to which maddy delivers what it was asked about. One process at a time has it.
type inbox struct {
	at      string // where maddy is asked
	server  *smtp.Server
	on      net.Listener
	dir     *safefile.Dir
	unlock  func()
	over    sync.WaitGroup
	mu      sync.Mutex
	waiting map[string][]string // what has come, by token
}

// Bounds on what is taken. Whoever connects to the endpoint has maddy deliver here.
const (
	mostOctets = 1 << 20
	answerTime = 30 * time.Second
)

// tokenField is the field of the header that has what no stranger can guess.
const tokenField = "X-Dkimbot-Probe"

// listen makes ready to receive what maddy delivers.
func (s *Signer) listen(ctx context.Context) (*inbox, error) {
	dir, err := s.answerDir()
	if err != nil {
		return nil, err
	}
	in := &inbox{at: s.cfg.Ask, dir: dir, waiting: map[string][]string{}}
	p := keyfiles.Place{Dir: dir, Name: filepath.Base(s.cfg.Answer)}
	p.LongestHold = 2 * s.cfg.RestartTimeout
	if in.unlock, err = s.store.LockTable(ctx, p); err != nil {
		dir.Close()
		return nil, err
	}
	if err := in.open(s.cfg.Answer); err != nil {
		in.unlock()
		dir.Close()
		return nil, s.store.Fault("listen on "+s.cfg.Answer, err)
	}
	return in, nil
}

// answerDir opens the directory of the socket, which only root, dkimbot's user and maddy can enter, and only dkimbot
// can write to.
func (s *Signer) answerDir() (*safefile.Dir, error) {
	path := filepath.Dir(s.cfg.Answer)
	o, err := s.store.For()
	if err != nil {
		return nil, err
	}
	maddy := keyfiles.LookUp(o.UID)
	// The key directory may be missing still, or have root's group; who is let in here is maddy.
	if gid, known := maddy.Group(); known && s.cfg.Group == "" {
		o.GID = gid
	}
	dir, err := safefile.MakeDir(path, safefile.Ours(0o755), safefile.As{Mode: 0o710, UID: -1, GID: o.GID})
	if err != nil {
		return nil, s.store.FaultOr("use directory "+path, err)
	}
	info, err := dir.Stat()
	if err == nil && info.Mode.Perm()&0o027 != 0 {
		err = &fault.Error{Kind: fault.Refused, Code: codes.UnsafeKeyDir, What: "use directory " + path,
			Err:  fmt.Errorf("others can enter it or write to it (mode %v), and would see messages that are signed", info.Mode.Perm()),
			Hint: "give it to maddy alone: chmod 710 " + path}
	}
	if err == nil && info.GID != o.GID && !maddy.Enters(info.Mode, keyfiles.Owner{UID: info.UID, GID: info.GID}) {
		err = &fault.Error{Kind: fault.Refused, Code: codes.UnsafeKeyDir, What: "use directory " + path,
			Err:  errors.New("maddy can't enter it"),
			Hint: fmt.Sprintf("let its group in: chgrp %s %s && chmod 710 %s", keyfiles.GroupName(o.GID), path, path)}
	}
	if err != nil {
		dir.Close()
		return nil, s.store.FaultOr("use directory "+path, err)
	}
	return dir, nil
}

// open listens. A socket that a crash has left goes.
func (in *inbox) open(path string) error {
	name := filepath.Base(path)
	if info, err := in.dir.Lstat(name); err == nil && info.Mode.Type() == fs.ModeSocket {
		if err := in.dir.Remove(name); err != nil {
			return err
		}
	}
	on, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o666); err != nil { // who can reach it is the directory's matter
		on.Close()
		return err
	}
	in.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return delivery{in}, nil }))
	in.server.LMTP, in.server.Domain = true, "dkimbot"
	in.server.MaxRecipients, in.server.MaxMessageBytes = 1, mostOctets
	in.server.ReadTimeout, in.server.WriteTimeout = answerTime, answerTime
	in.server.ErrorLog = log.New(io.Discard, "", 0)
	in.on = on
	in.over.Go(func() { in.server.Serve(on) })
	return nil
}

func (in *inbox) close() {
	in.on.Close() // the server may not know it yet
	in.server.Close()
	in.over.Wait()
	in.unlock()
	in.dir.Close()
}

// expect returns a new token, whose message is kept when it comes.
func (in *inbox) expect() string {
	token := rand.Text()
	in.mu.Lock()
	defer in.mu.Unlock()
	in.waiting[token] = nil
	return token
}

// take returns the signatures of the message with that token, if it has come.
func (in *inbox) take(token string) (signatures []string, came bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	signatures = in.waiting[token]
	delete(in.waiting, token)
	return signatures, signatures != nil
}

// delivery is a connection of maddy's. It takes every message and keeps those that are waited for.
type delivery struct{ to *inbox }

// Reset forgets nothing, since nothing is kept.
func (delivery) Reset() {}

// Logout frees nothing.
func (delivery) Logout() error { return nil }

// Mail takes any sender.
func (delivery) Mail(string, *smtp.MailOptions) error { return nil }

// Rcpt takes any recipient.
func (delivery) Rcpt(string, *smtp.RcptOptions) error { return nil }

// Data keeps the signatures of a message that is waited for.
func (d delivery) Data(r io.Reader) error {
	message, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	token, signatures := "", []string{}
	for _, f := range fields(string(message)) {
		switch name, value, _ := strings.Cut(f, ":"); {
		case strings.EqualFold(name, tokenField):
			token = strings.TrimSpace(value)
		case strings.EqualFold(strings.TrimSpace(name), "DKIM-Signature"):
			signatures = append(signatures, strings.TrimSpace(value))
		}
	}
	d.to.mu.Lock()
	defer d.to.mu.Unlock()
	if _, awaited := d.to.waiting[token]; awaited {
		d.to.waiting[token] = signatures
	}
	return nil
}

// fields returns the fields of a message's header, each with its lines.
func fields(message string) (out []string) {
	for line := range strings.Lines(strings.ReplaceAll(message, "\r\n", "\n")) {
		switch {
		case line == "\n":
			return out
		case len(out) > 0 && (line[0] == ' ' || line[0] == '\t'):
			out[len(out)-1] += line
		default:
			out = append(out, line)
		}
	}
	return out
}
