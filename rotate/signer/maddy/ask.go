package maddy

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// asked is maddy as it is asked by mail: each message is submitted at the endpoint, and has come back when maddy says
// that it was taken.
func (in *inbox) asked() milter.Asked {
	return milter.Asked{Dial: func(ctx context.Context) (milter.Conversation, error) {
		conn, err := (&net.Dialer{Timeout: answerTime}).DialContext(ctx, "tcp", in.at)
		if err != nil {
			return nil, err
		}
		c := &conversation{in: in, client: smtp.NewClient(conn), stop: context.AfterFunc(ctx, func() { conn.Close() })}
		c.client.CommandTimeout, c.client.SubmissionTimeout = answerTime, answerTime
		conn.SetDeadline(time.Now().Add(answerTime))
		if err := c.client.Hello("localhost"); err != nil {
			c.Close()
			return nil, err
		}
		conn.SetDeadline(time.Time{})
		return c, nil
	}}
}

// conversation is one connection to the endpoint.
type conversation struct {
	in     *inbox
	client *smtp.Client
	stop   func() bool
}

// Close ends the connection.
func (c *conversation) Close() {
	c.stop()
	c.client.Close()
}

// Ask submits one message of a domain.
func (c *conversation) Ask(domain string) (milter.Answer, error) {
	token := c.in.expect()
	header := append(milter.Header(domain), [2]string{tokenField, token})
	err := c.send("postmaster@"+domain, header)
	signatures, came := c.in.take(token)
	a := milter.NewAnswer(domain, header, signatures)
	refusal := (*smtp.SMTPError)(nil)
	switch {
	case errors.As(err, &refusal) && !refusal.Temporary(): // of this message; else it could not be brought here
		a.Refused = errors.New("it answered " + milter.OneLine(refusal.Error()))
		return a, nil
	case err != nil:
		return a, err
	case !came:
		return a, errors.New("it takes a message, and does not deliver it here")
	}
	return a, nil
}

func (c *conversation) send(from string, header [][2]string) error {
	c.client.Reset()
	if err := c.client.Mail(from, nil); err != nil {
		return err
	}
	if err := c.client.Rcpt("dkimbot@probe.invalid", nil); err != nil {
		return err
	}
	w, err := c.client.Data()
	if err != nil {
		return err
	}
	var m strings.Builder
	for _, f := range header {
		m.WriteString(f[0] + ": " + f[1] + "\r\n")
	}
	if _, err := io.WriteString(w, m.String()+"\r\n"+milter.Body); err != nil {
		return err
	}
	return w.Close()
}
