package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// mailbox is a folder of an IMAP server. Messages that lie there already are not read, and of the others
// only the probes are removed.
type mailbox struct {
	conn     *metered
	client   *imapclient.Client
	next     imap.UID      // the first message that is not known
	patience time.Duration // how long a command may take
	silent   atomic.Bool   // one has taken longer
	stop     func() bool
}

// Bounds on what the server sends in answer to one command.
const (
	mostList    = 4 << 20             // sizes of new messages: of some hundred thousand
	mostMessage = 2*mostOctets + 4096 // a message as it is read, with what else is said meanwhile
)

// metered is a connection on which only so much is read.
type metered struct {
	net.Conn
	left atomic.Int64
}

var errTooMuch = errors.New("the server sends far more than was asked for")

// Read reads, unless too much was read.
func (c *metered) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.left.Add(-int64(n)) < 0 && err == nil {
		return n, errTooMuch
	}
	return n, err
}

// expect bounds the answer to the next command, until it is over. The library's own limits begin only when an answer
// has begun.
func (m *mailbox) expect(octets int64) (over func() bool) {
	m.conn.left.Store(octets)
	return time.AfterFunc(m.patience, func() {
		m.silent.Store(true)
		m.conn.Close()
	}).Stop
}

// why returns the reason behind an error of the client.
func (m *mailbox) why(err error) error {
	switch {
	case m.conn.left.Load() < 0:
		return errTooMuch
	case m.silent.Load():
		return fmt.Errorf("the server has given no answer for %v", m.patience)
	}
	return err
}

// openMailbox logs in and opens the folder. A server that takes longer than patience for a command later is given up.
func openMailbox(ctx context.Context, r Receive, password string, patience time.Duration) (*mailbox, error) {
	_, _, address := server(r.IMAP)
	raw, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	conn := &metered{Conn: raw}
	m := &mailbox{conn: conn, patience: patience, stop: context.AfterFunc(ctx, func() { conn.Close() })}
	conn.left.Store(mostList)
	over := within(loginTime, conn)
	err = m.login(ctx, r, password)
	if over() {
		err = fmt.Errorf("the server did not open the mailbox within %v", loginTime)
	}
	if err != nil {
		m.close()
		conn.Close()
		return nil, err
	}
	return m, nil
}

// login makes the connection secure, logs in and selects the folder.
func (m *mailbox) login(ctx context.Context, r Receive, password string) error {
	secure, host, _ := server(r.IMAP)
	crypt, err := tlsConfig(host, r.CAFile)
	if err != nil {
		return err
	}
	switch {
	case secure:
		var conn net.Conn
		if conn, err = encrypt(ctx, m.conn, crypt); err == nil {
			m.client = imapclient.New(conn, nil)
		}
	case plainEnough(host, r.CAFile):
		m.client = imapclient.New(m.conn, nil)
	default:
		m.client, err = imapclient.NewStartTLS(m.conn, &imapclient.Options{TLSConfig: crypt})
	}
	if err != nil {
		return err
	}
	if err := m.client.Login(r.Username, password).Wait(); err != nil {
		return scrubbed(err, r.Username, password)
	}
	data, err := m.client.Select(r.Mailbox, nil).Wait()
	if err != nil {
		return fmt.Errorf("open the folder %s: %w", r.Mailbox, err)
	}
	if m.next = data.UIDNext; m.next == 0 {
		m.next, err = m.afterLast(data.NumMessages)
	}
	return err
}

// afterLast returns the number behind that of the last message, for a server that does not say which comes next: what
// lies there already is not read.
func (m *mailbox) afterLast(messages uint32) (imap.UID, error) {
	if messages == 0 {
		return 1, nil
	}
	last, err := m.client.Fetch(imap.SeqSetNum(messages), &imap.FetchOptions{UID: true}).Collect()
	if err == nil && len(last) == 0 {
		err = errors.New("the server does not say which message comes next")
	}
	if err != nil {
		return 0, err
	}
	return last[len(last)-1].UID + 1, nil
}

func (m *mailbox) close() {
	m.stop()
	if m.client != nil {
		m.client.Close()
	}
}

// watch offers what arrives until ctx is done.
func (m *mailbox) watch(ctx context.Context, c *catch) error {
	for {
		if err := m.look(c); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return m.why(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-m.client.Closed():
			return errors.New("the server closed the connection")
		case <-time.After(lookEvery):
		}
	}
}

// look reads what is new: first how long it is.
func (m *mailbox) look(c *catch) error {
	found, err := m.fresh()
	if err != nil {
		return err
	}
	for _, f := range found {
		if f.UID < m.next { // the range holds the last message in any case
			continue
		}
		if f.RFC822Size <= mostOctets {
			if err := m.read(f.UID, c); err != nil {
				return err
			}
		}
		m.next = f.UID + 1
	}
	return nil
}

// fresh returns the sizes of the messages that are not known.
func (m *mailbox) fresh() ([]*imapclient.FetchMessageBuffer, error) {
	defer m.expect(mostList)()
	if err := m.client.Noop().Wait(); err != nil {
		return nil, err
	}
	var fresh imap.UIDSet
	fresh.AddRange(max(m.next, 1), 0)
	return m.client.Fetch(fresh, &imap.FetchOptions{UID: true, RFC822Size: true}).Collect()
}

func (m *mailbox) read(uid imap.UID, c *catch) error {
	defer m.expect(mostMessage)()
	one := imap.UIDSetNum(uid)
	whole := &imap.FetchItemBodySection{Peek: true}
	found, err := m.client.Fetch(one,
		&imap.FetchOptions{UID: true, BodySection: []*imap.FetchItemBodySection{whole}}).Collect()
	if err != nil || len(found) == 0 {
		return err
	}
	if !c.offer(found[0].FindBodySection(whole)) {
		return nil
	}
	mark := &imap.StoreFlags{Op: imap.StoreFlagsAdd, Silent: true, Flags: []imap.Flag{imap.FlagSeen, imap.FlagDeleted}}
	if err := m.client.Store(one, mark, nil).Close(); err != nil {
		return nil // it may be read only: then the message stays
	}
	if caps := m.client.Caps(); caps.Has(imap.CapUIDPlus) || caps.Has(imap.CapIMAP4rev2) {
		_ = m.client.UIDExpunge(one).Close()
	}
	return nil
}
