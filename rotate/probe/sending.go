package probe

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/emersion/go-smtp"
)

// connections is how many messages are submitted at once.
const connections = 8

// knockAgain is the pause between two tries to reach a mail server that is away.
const knockAgain = 250 * time.Millisecond

// sending gives messages to the mail server, one for each report. A server that is started again meanwhile, be it
// because dkimbot has another domain switched there, loses its connections and takes none for a moment: it is waited
// for, for as long as a message may take. A server that stays away is not tried for the other messages.
type sending struct {
	*Prober
	catch  *catch
	out    []Report
	tokens []string

	door sync.Mutex // who has it knocks at a server that is away; the others wait
	away error      // why the rest is not tried
}

// all submits the messages, several at once.
func (s *sending) all(ctx context.Context) {
	next := make(chan int)
	var all sync.WaitGroup
	for range min(connections, len(s.out)) {
		all.Go(func() {
			var m *mailer
			for i := range next {
				if err := s.one(ctx, &m, i); err != nil {
					s.out[i].Err = s.unsent(ctx, s.out[i].Domain, err)
					s.catch.forget(s.tokens[i])
					continue
				}
				s.out[i].Sent = s.now()
			}
			if m != nil {
				m.close()
			}
		})
	}
	for i := range s.out {
		next <- i
	}
	close(next)
	all.Wait()
}

// one sends one message, over the connection there is or a new one.
func (s *sending) one(ctx context.Context, m **mailer, i int) (err error) {
	domain := s.out[i].Domain
	from := strings.Replace(s.Config.From, "{domain}", domain, 1)
	message := compose(from, s.Config.to(), domain, s.tokens[i], s.now())
	for end := time.Now().Add(s.Config.Timeout); ; {
		if *m == nil {
			if *m, err = s.connection(ctx); err != nil {
				return err
			}
		}
		if err = (*m).send(from, s.Config.to(), message); err == nil {
			return nil
		}
		(*m).close()
		*m = nil
		if !lost(err) || !time.Now().Before(end) || !pause(ctx) {
			return err
		}
	}
}

// connection makes a new connection.
func (s *sending) connection(ctx context.Context) (*mailer, error) {
	if away := s.stays(); away != nil {
		return nil, away
	}
	m, err := s.Config.dial(ctx)
	if err == nil {
		return m, nil
	}
	s.door.Lock()
	defer s.door.Unlock()
	for end := time.Now().Add(s.Config.Timeout); s.away == nil; {
		if !lost(err) || !time.Now().Before(end) || !pause(ctx) {
			s.away = err
			break
		}
		if m, err = s.Config.dial(ctx); err == nil {
			return m, nil
		}
	}
	return nil, s.away
}

// stays returns why the mail server is not tried any more; it waits while another knocks there.
func (s *sending) stays() error {
	s.door.Lock()
	defer s.door.Unlock()
	return s.away
}

// lost reports whether a server has gone, or is about to, and may come back: it has said nothing against the message.
func lost(err error) bool {
	if answer := (*smtp.SMTPError)(nil); errors.As(err, &answer) {
		return answer.Code == 421 // RFC 5321 section 3.8: it shuts down
	}
	for _, gone := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, gone) {
			return true
		}
	}
	return false
}

// pause waits before the next try, and reports whether there is to be one.
func pause(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(knockAgain):
		return true
	}
}
