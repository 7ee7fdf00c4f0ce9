package probe

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/emersion/go-smtp"
)

// Bounds on strangers: anybody may connect.
const (
	mostConnections = 64 // at once
	mostOfOne       = 16 // of one host, or of one user of this one
	connectionTime  = 2 * time.Minute
	silenceTime     = 30 * time.Second
	askAgain        = 200 * time.Millisecond // for an address that another program has
	// how long a mail server whose message was taken has to hear so, and to say good-bye
	partingTime = 5 * time.Second
)

// Listeners are the addresses on which a process takes messages. Several signers may name the same one, and each is
// listened on only while something is waited for. The zero Listeners is ready, and safe for concurrent use.
type Listeners struct {
	mu   sync.Mutex
	open map[string]*listener
}

// listen has messages at an address offered to c until stop is called. An address that another process has, as another
// dkimbot that waits for its own message, is waited for until ctx is done.
func (l *Listeners) listen(ctx context.Context, address string, c *catch) (stop func(), err error) {
	for {
		stop, err := l.join(address, c)
		if !errors.Is(err, syscall.EADDRINUSE) {
			return stop, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(askAgain):
		}
	}
}

func (l *Listeners) join(address string, c *catch) (stop func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.open[address]
	if at == nil {
		if at, err = newListener(address); err != nil {
			return nil, err
		}
		if l.open == nil {
			l.open = map[string]*listener{}
		}
		l.open[address] = at
	}
	at.add(c)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if at.remove(c) == 0 {
			delete(l.open, address)
			at.close()
		}
	}, nil
}

// listener is one address that is listened on.
type listener struct {
	server *smtp.Server
	on     *bounded
	over   sync.WaitGroup

	mu      sync.Mutex
	catches []*catch
}

func newListener(address string) (*listener, error) {
	on, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	l := &listener{on: &bounded{Listener: on}}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{of: l}, nil }))
	s.Domain, s.MaxRecipients, s.MaxMessageBytes, s.MaxLineLength = "dkimbot-probe", 10, mostOctets, 4096
	s.ReadTimeout, s.WriteTimeout = silenceTime, silenceTime
	s.ErrorLog = log.New(io.Discard, "", 0) // what strangers do wrong is their matter
	l.server = s
	l.over.Go(func() {
		s.Serve(l.on)
	})
	return l, nil
}

// close ends it. A mail server that does not hear that its message was taken would send it again for days.
func (l *listener) close() {
	l.on.Close() // the server may not know it yet
	l.on.part()
	l.server.Close()
	l.over.Wait()
}

func (l *listener) add(c *catch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.catches = append(l.catches, c)
}

func (l *listener) remove(c *catch) (left int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.catches = slices.DeleteFunc(l.catches, func(o *catch) bool { return o == c })
	return len(l.catches)
}

func (l *listener) all() []*catch {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.catches)
}

// session is one connection. It takes every message for the address of a probe, also late ones that are not waited for
// any more: the mail server's queue is to be empty of them.
type session struct{ of *listener }

// Reset forgets nothing, since nothing is kept.
func (s *session) Reset() {}

// Logout frees nothing.
func (s *session) Logout() error { return nil }

// Mail takes any sender.
func (s *session) Mail(string, *smtp.MailOptions) error { return nil }

// Rcpt refuses what is not for a probe.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if slices.ContainsFunc(s.of.all(), func(c *catch) bool { return c.takes(to) }) {
		return nil
	}
	return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "only probes are taken here"}
}

// Data offers the message to who waits for one.
func (s *session) Data(r io.Reader) error {
	message, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	for _, c := range s.of.all() {
		if c.offer(message) {
			break
		}
	}
	return nil
}
