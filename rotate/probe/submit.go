package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// replyTime is how long the mail server may take to answer a command.
const replyTime = 30 * time.Second

// mailer is a connection to the mail server.
type mailer struct {
	client *smtp.Client
	conn   net.Conn
	stop   func() bool
}

// dial connects, and logs in where a name is configured.
func (c *Config) dial(ctx context.Context) (*mailer, error) {
	password := ""
	if c.Password.IsSet() {
		var err error
		if password, err = c.Password.Read(); err != nil {
			return nil, err
		}
	}
	m, err := c.connect(ctx, password, false)
	if errors.Is(err, errOffersTLS) {
		m, err = c.connect(ctx, password, true)
	}
	return m, scrubbed(err, c.Username, password)
}

// errOffersTLS says that the connection is to be made again, with STARTTLS.
var errOffersTLS = errors.New("the server offers STARTTLS")

func (c *Config) connect(ctx context.Context, password string, startTLS bool) (*mailer, error) {
	secure, host, address := server(c.Submit)
	conn, err := (&net.Dialer{Timeout: dialTime}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	m := &mailer{conn: conn, stop: context.AfterFunc(ctx, func() { conn.Close() })}
	over := within(loginTime, conn)
	if err = m.greet(ctx, c, host, secure, startTLS); err == nil && c.Username != "" {
		err = m.login(c.Username, password)
	}
	if over() {
		err = notReady(secure)
	}
	if err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

// notReady is the error of a server that could not be given a message in time.
func notReady(secure bool) error {
	if secure {
		return fmt.Errorf("the server was not ready within %v", loginTime)
	}
	return fmt.Errorf("the server was not ready within %v; one that expects TLS from the start, as at port 465, needs "+
		"smtps://", loginTime)
}

// greet begins the conversation. With a password it is encrypted, unless the server is on this machine and has no TLS.
func (m *mailer) greet(ctx context.Context, c *Config, host string, secure, startTLS bool) error {
	crypt, err := tlsConfig(host, c.CAFile)
	if err != nil {
		return err
	}
	needed := !secure && (c.Username != "" || c.CAFile != "")
	conn := m.conn
	switch {
	case secure:
		if conn, err = encrypt(ctx, conn, crypt); err != nil {
			return err
		}
	case startTLS || needed && !plainEnough(host, c.CAFile):
		if m.client, err = smtp.NewClientStartTLS(conn, crypt); err != nil {
			return err
		}
	}
	if m.client == nil {
		m.client = smtp.NewClient(conn)
	}
	m.client.CommandTimeout, m.client.SubmissionTimeout = replyTime, replyTime
	if err := m.client.Hello("localhost"); err != nil {
		return err
	}
	if offers, _ := m.client.Extension("STARTTLS"); offers && needed && !startTLS {
		if _, encrypted := m.client.TLSConnectionState(); !encrypted {
			return errOffersTLS
		}
	}
	return nil
}

func (m *mailer) login(username, password string) error {
	switch {
	case m.client.SupportsAuth(sasl.Plain):
		return m.client.Auth(sasl.NewPlainClient("", username, password))
	case m.client.SupportsAuth(sasl.Login):
		return m.client.Auth(sasl.NewLoginClient(username, password))
	}
	return errors.New("the server offers no login by a password (AUTH PLAIN or LOGIN)")
}

func (m *mailer) close() {
	m.stop()
	m.conn.Close()
}

// send gives the server one message.
func (m *mailer) send(from, to string, message []byte) error {
	if err := m.client.Mail(from, nil); err != nil {
		return err
	}
	if err := m.client.Rcpt(to, nil); err != nil {
		return err
	}
	w, err := m.client.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(message); err != nil {
		return err
	}
	return w.Close()
}
