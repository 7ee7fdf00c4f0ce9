package e2e

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"strings"
	"sync"
	"time"
)

// A session is one connection to Postfix. It is open for a while: OpenDKIM signs to
// its end with the key that was in force when it began.
const (
	perSession  = 3 // messages
	sessionGap  = time.Second
	sessionTime = (perSession - 1) * sessionGap
)

// traffic sends numbered messages from the domain to Postfix, one every interval
// on average, until ctx is done, and returns when the last session has ended.
func traffic(ctx context.Context, post string, every time.Duration, l *ledger) {
	var wg sync.WaitGroup
	defer wg.Wait()
	tick := time.NewTicker(perSession * every)
	defer tick.Stop()
	for first := 1; ; first += perSession {
		wg.Go(func() { session(post, first, l) })
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// errOver says that a session has lasted for as long as one may.
var errOver = errors.New("the session has lasted long enough")

// session sends messages from number first on, and ends early when one is refused, or when on a busy
// machine it would last longer than sessions do.
func session(post string, first int, l *ledger) {
	over := time.Now().Add(sessionTime + (lag-sessionTime)/2)
	c, err := connect(post)
	if err != nil {
		l.refused(first, err)
		return
	}
	defer c.Close()
	for number := first; number < first+perSession; number++ {
		if number > first {
			<-time.After(sessionGap)
		}
		if err := send(c, number, l, over); errors.Is(err, errOver) {
			return
		} else if err != nil {
			l.refused(number, err)
			return
		}
	}
	c.Quit()
}

func connect(post string) (*smtp.Client, error) {
	conn, err := net.DialTimeout("tcp", post, 10*time.Second)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(2 * time.Minute))
	return smtp.NewClient(conn, "localhost")
}

// send hands Postfix one message, unless the session is over by then. A nil error means that Postfix has
// taken it.
func send(c *smtp.Client, number int, l *ledger, over time.Time) error {
	if err := c.Mail("someone@" + l.domain); err != nil {
		return err
	}
	if err := c.Rcpt("reader@example.net"); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(compose(number, l.domain))); err != nil {
		return err
	}
	if time.Now().After(over) {
		return errOver
	}
	l.handing(number)
	if err := w.Close(); err != nil { // the final dot: from here on the message can be signed
		return err
	}
	l.taken(number)
	return nil
}

// compose writes message number. The shapes are those that signatures suffer from:
// folded fields, white space at the ends of lines, lines of dots, 8-bit text,
// attachments, empty bodies.
func compose(number int, domain string) string {
	shapes := []string{
		"Subject: plain\r\n\r\nHello.\r\n",
		"Subject: folded\r\n\tand  spaced \r\n\r\nTrailing space \t\r\n.\r\n..two dots\r\n\r\n\r\n",
		"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; " +
			"charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSchöne Grüße, 你好.\r\n",
		"Subject: nothing to say\r\n\r\n",
		"Subject: attachment\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; " +
			"boundary=b\r\n\r\n--b\r\n\r\nSee below.\r\n" +
			"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
			attachment(number) + "--b--\r\n",
	}
	return fmt.Sprintf("%s%d\r\nFrom: Some One <someone@%s>\r\nTo: reader@example.net\r\nDate: %s\r\nMessage-ID: "+
		"<%[2]d@%[3]s>\r\n",
		numberField, number, domain, time.Now().Format(time.RFC1123Z)) + shapes[number%len(shapes)]
}

func attachment(number int) string {
	text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(fmt.Sprintf("message %d; ", number), 500)))
	var b strings.Builder
	for len(text) > 76 {
		b.WriteString(text[:76] + "\r\n")
		text = text[76:]
	}
	return b.String() + text + "\r\n"
}
