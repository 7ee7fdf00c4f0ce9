package probe

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// TestOddIMAP: a server that stops to answer, or sends without end, keeps nobody waiting for longer than a message may
// take, and is named.
func TestOddIMAP(t *testing.T) {
	long := strings.Repeat("x", 4000) // so that a slow machine reads to the bound in time
	for name, tt := range map[string]struct {
		stops string // at this command
		with  string // which is answered over and over
		says  string
	}{
		"silent at NOOP":    {"NOOP", "", "the server has given no answer for 1s"},
		"silent at FETCH":   {"FETCH", "", "the server has given no answer for 1s"},
		"endless untagged":  {"NOOP", "* OK " + long + "\r\n", "the server sends far more than was asked for"},
		"endless FETCH":     {"FETCH", "* %d FETCH (UID %[1]d FLAGS (" + long + ") RFC822.SIZE 300)\r\n", "far more than was asked for"},
		"an endless string": {"FETCH", "* 1 FETCH (UID 1 BODY[] {3000000000}\r\n" + strings.Repeat("x", 65536), "far more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, m, _ := listening(t)
			m.signs(func(string, []byte) []byte { return nil })
			p.Config.Receive = Receive{IMAP: "imap://" + oddIMAP(t, tt.stops, tt.with), Username: "probe",
				Password: settings.Inline(secret), Mailbox: "INBOX"}
			if p.Config.Timeout = time.Minute; tt.with == "" {
				p.Config.Timeout = 2 * time.Second
			}
			err := p.Send(t.Context(), []string{"a.example"}, nil)[0].Err
			if faulttest.Shown(t, err); fault.CodeOf(err) != codes.ProbeFailed || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v; want %q", err, tt.says)
			}
		})
	}
}

// TestMailboxNotReady: a server that says nothing before the mailbox is open keeps nobody waiting, though the library
// would wait without end.
func TestMailboxNotReady(t *testing.T) {
	_, ca := certificate(t)
	for _, at := range []string{"LOGIN", "SELECT", "STARTTLS"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			r := Receive{IMAP: "imap://" + oddIMAP(t, at, ""), Username: "probe", Password: settings.Inline(secret), Mailbox: "INBOX"}
			if at == "STARTTLS" {
				r.CAFile = ca
			}
			m, err := openMailbox(ctx, r, secret, time.Minute)
			if err == nil {
				m.close()
			}
			if err == nil || !strings.Contains(err.Error(), "did not open the mailbox within 30s") {
				t.Error(err)
			}
		})
	}
}

// TestNoNextUID: of a server that does not say which message comes next, none is read that lies there already.
func TestNoNextUID(t *testing.T) {
	for _, tt := range []struct {
		with string // in answer to FETCH
		here int
		next imap.UID
	}{{"", 0, 1}, {"* 3 FETCH (UID 9)", 3, 10}, {"", 3, 0}} {
		on, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			conn, err := on.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			fmt.Fprint(conn, "* OK [CAPABILITY IMAP4rev1] ready\r\n")
			for lines := bufio.NewScanner(conn); lines.Scan(); {
				tag, command, _ := strings.Cut(lines.Text(), " ")
				if strings.HasPrefix(command, "SELECT") {
					fmt.Fprintf(conn, "* %d EXISTS\r\n", tt.here)
				} else if strings.HasPrefix(command, "FETCH 3 ") && tt.with != "" {
					fmt.Fprintf(conn, "%s\r\n", tt.with)
				}
				fmt.Fprintf(conn, "%s OK done\r\n", tag)
			}
		}()
		r := Receive{IMAP: "imap://" + on.Addr().String(), Username: "probe", Password: settings.Inline(secret), Mailbox: "INBOX"}
		m, err := openMailbox(t.Context(), r, secret, time.Minute)
		if err == nil && m.next != tt.next || (err == nil) != (tt.next > 0) {
			t.Errorf("%d messages, %q: %v; want %d", tt.here, tt.with, err, tt.next)
		}
		if err == nil {
			m.close()
		}
		on.Close()
	}
}

// oddIMAP starts a server that is well until a command comes that it answers over and over, or not at all.
func oddIMAP(t *testing.T, stops, with string) (address string) {
	t.Helper()
	on, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { on.Close() })
	go func() {
		for {
			conn, err := on.Accept()
			if err != nil {
				return
			}
			go serveOddly(conn, stops, with)
		}
	}()
	return on.Addr().String()
}

func serveOddly(conn net.Conn, stops, with string) {
	defer conn.Close()
	fmt.Fprint(conn, "* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n")
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		tag, command, _ := strings.Cut(lines.Text(), " ")
		switch {
		case strings.Contains(command, stops) && with == "":
		case strings.Contains(command, stops):
			for i := 1; ; i++ {
				text := with
				if strings.Contains(with, "%d") {
					text = fmt.Sprintf(with, i)
				}
				if _, err := fmt.Fprint(conn, text); err != nil {
					return
				}
			}
		case strings.HasPrefix(command, "SELECT"):
			fmt.Fprintf(conn, "* 1 EXISTS\r\n* OK [UIDVALIDITY 1] ok\r\n* OK [UIDNEXT 1] ok\r\n%s OK done\r\n", tag)
		default:
			fmt.Fprintf(conn, "%s OK done\r\n", tag)
		}
	}
}
