package probe

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
)

// TestHearsThatItWasTaken: a mail server whose message comes while the listener ends hears that it was taken, and does
// not keep it in its queue for days.
func TestHearsThatItWasTaken(t *testing.T) {
	p, _, _ := listening(t)
	c := newCatch("probe@probe.invalid")
	stop, err := p.Listeners.listen(t.Context(), p.Config.Receive.Listen, c)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", p.Config.Receive.Listen)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	from := bufio.NewReader(conn)
	say := func(line, want string) {
		fmt.Fprint(conn, line)
		for {
			answer, err := from.ReadString('\n')
			if err != nil || !strings.HasPrefix(answer, want) {
				t.Fatalf("%q was answered with %q, %v; want %s", line, answer, err, want)
			}
			if answer[3] == ' ' {
				return
			}
		}
	}
	say("", "220")
	say("EHLO mx.example\r\n", "250")
	say("MAIL FROM:<>\r\n", "250")
	say("RCPT TO:<probe@probe.invalid>\r\n", "250")
	say("DATA\r\n", "354")
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	for { // until no other one is let in
		other, err := net.Dial("tcp", p.Config.Receive.Listen)
		if err != nil {
			break
		}
		other.Close()
	}
	say("Subject: late\r\n\r\n.\r\n", "250")
	say("QUIT\r\n", "221")
	conn.Close()
	<-stopped
}
