package notify

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/dkimbot/dkimbot/rotate/netlimit"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Mail says how documents are mailed.
type Mail struct {
	Server   string // host:port
	TLS      string // "offered", "required", "implicit" or "never"
	CAFile   string // PEM; "": the system's authorities
	Username string // "": no login. With one, TLS is "required" or "implicit"
	Password func() (string, error)
	From     string
	To       []string
	On       []string
	Timeout  time.Duration // for one attempt
}

// delivery is one letter on its way to those who have not got it yet.
type delivery struct {
	*Mail
	log    *slog.Logger
	letter []byte
	left   []string
	taken  bool     // by somebody
	secret []string // what was shown to the server, in the forms in which it may repeat it (I9)
}

// attempt sends the letter to all who are left. Those whom the server will never
// take are given up: the error says so when no other recipient is left.
func (d *delivery) attempt(ctx context.Context) error {
	client, hangUp, err := d.connect(ctx)
	if err != nil {
		return d.problem(ctx, err)
	}
	defer hangUp()
	if err := d.login(client); err != nil {
		return d.problem(ctx, err)
	}
	if err := client.Mail(d.From); err != nil {
		return d.problem(ctx, err)
	}
	taken, refusals := 0, map[string]error{}
	for _, to := range d.left {
		if err := client.Rcpt(to); err != nil {
			refusals[to] = err
			continue
		}
		taken++
	}
	if taken > 0 {
		if err := d.data(client); err != nil {
			return d.problem(ctx, err)
		}
		d.taken = true
	}
	return d.after(refusals)
}

func (d *delivery) data(client *smtp.Client) error {
	w, err := client.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(d.letter); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = client.Quit() // the letter is theirs already
	return nil
}

// after keeps those who may be taken later, and returns an error as long as there are any.
func (d *delivery) after(refusals map[string]error) error {
	var errs []error
	for _, to := range d.left {
		if refusal := refusals[to]; refusal != nil {
			errs = append(errs, fmt.Errorf("%s is refused: %s", to, d.reply(refusal)))
		}
	}
	d.left = slices.DeleteFunc(slices.Clone(d.left),
		func(to string) bool { return refusals[to] == nil || lasting(refusals[to]) })
	err := errors.Join(errs...)
	switch {
	case err == nil || len(d.left) > 0:
		return err
	case d.taken:
		d.log.Error("a notice could not be mailed to everybody", "error", err)
		return nil
	}
	return backoff.Permanent(err)
}

// connect opens a session, encrypted as d wants it. hangUp ends it at once.
func (d *delivery) connect(ctx context.Context) (client *smtp.Client, hangUp func(), err error) {
	host, _, err := net.SplitHostPort(d.Server)
	if err != nil {
		return nil, nil, err
	}
	secure, err := d.tls(host)
	if err != nil {
		return nil, nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", d.Server)
	if err != nil {
		return nil, nil, err
	}
	const mostSaid = 1 << 20 // octets that a mail server may send in one session
	conn = netlimit.Conn(conn, mostSaid)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	hangUp = func() { stop(); conn.Close() }
	session := conn
	if d.TLS == "implicit" {
		session = tls.Client(conn, secure)
	}
	if client, err = smtp.NewClient(session, host); err == nil {
		err = d.greet(client, secure)
	}
	if err != nil {
		hangUp()
		return nil, nil, err
	}
	return client, hangUp, nil
}

func (d *delivery) greet(client *smtp.Client, secure *tls.Config) error {
	name, err := os.Hostname()
	if err != nil || strings.ContainsAny(name, " \r\n") || name == "" {
		name = "localhost"
	}
	if err := client.Hello(name); err != nil {
		return err
	}
	offered, _ := client.Extension("STARTTLS")
	switch {
	case d.TLS == "required" && !offered:
		return errors.New("the server offers no TLS, and notify.mail.tls requires it")
	case d.TLS == "required", d.TLS == "offered" && offered:
		return client.StartTLS(secure)
	}
	return nil
}

// maxCertificates is room for every authority of the world.
const maxCertificates = 16 << 20

// tls returns how the server must prove itself. Where encryption is taken only when
// it is offered, anybody could keep it from being offered, so a certificate would
// prove nothing: RFC 7435.
func (d *delivery) tls(host string) (*tls.Config, error) {
	c := &tls.Config{ServerName: host, InsecureSkipVerify: d.TLS == "offered"}
	if d.CAFile == "" {
		return c, nil
	}
	pem, err := safefile.Read(d.CAFile, maxCertificates)
	if err != nil {
		return nil, err
	}
	if c.RootCAs = x509.NewCertPool(); !c.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", d.CAFile)
	}
	return c, nil
}

// login gives name and password to a server that has proved itself. Of its answer
// only the code is reported: it may repeat what it was given (I9).
func (d *delivery) login(client *smtp.Client) error {
	if d.Username == "" {
		return nil
	}
	if _, encrypted := client.TLSConnectionState(); !encrypted || d.TLS == "offered" {
		return errors.New("the password is not sent: the server has not proved itself by TLS")
	}
	if _, ways := client.Extension("AUTH"); !slices.Contains(strings.Fields(ways), "PLAIN") {
		return errors.New("the server takes no password (AUTH PLAIN)")
	}
	password, err := d.Password()
	if err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(d.Server)
	for _, form := range []string{"\x00" + d.Username + "\x00" + password, password} { // the longer one first
		d.secret = append(d.secret, form, base64.StdEncoding.EncodeToString([]byte(form)))
	}
	err = client.Auth(smtp.PlainAuth("", d.Username, password, host))
	if said := (*textproto.Error)(nil); errors.As(err, &said) {
		return fmt.Errorf("the server refuses the login (%d)", said.Code)
	}
	return err
}

// problem names the server, and says whether trying again can help.
func (d *delivery) problem(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) || ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
		err = errors.New("no answer in time")
	}
	if lasting(err) {
		return backoff.Permanent(fmt.Errorf("%s refuses the letter: %s", d.Server, d.reply(err)))
	}
	return fmt.Errorf("%s: %s", d.Server, d.reply(err))
}

// reply returns what the server said, on one line and cut, or else what went wrong.
func (d *delivery) reply(err error) string {
	if said := (*textproto.Error)(nil); errors.As(err, &said) {
		err = fmt.Errorf("%d %s", said.Code, said.Msg)
	}
	text := err.Error()
	for _, secret := range d.secret {
		text = regexp.MustCompile("(?i)"+regexp.QuoteMeta(secret)).ReplaceAllLiteralString(text, "[secret]")
	}
	return shortened(text, 500)
}

// lasting reports whether the server said that it will never take it (RFC 5321 section 4.2.1).
func lasting(err error) bool {
	said := (*textproto.Error)(nil)
	return errors.As(err, &said) && said.Code >= 500
}
