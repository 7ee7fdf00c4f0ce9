package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// startSink starts an SMTP server that takes every message, and hands each to
// deliver as it came over the wire, before it says that it has taken it. It
// returns the address.
func startSink(t testing.TB, deliver func(message []byte, at time.Time) error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go (&sinkSession{c, bufio.NewReader(c), deliver}).serve()
		}
	}()
	return l.Addr().String()
}

type sinkSession struct {
	net.Conn
	in      *bufio.Reader
	deliver func([]byte, time.Time) error
}

// serve speaks RFC 5321. It must offer 8BITMIME: Postfix would otherwise recode
// 8-bit mail on its way out, after it was signed.
func (s *sinkSession) serve() {
	defer s.Close()
	s.SetDeadline(time.Now().Add(time.Minute))
	fmt.Fprint(s, "220 sink ESMTP\r\n")
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return
		}
		answer := "250 OK"
		switch verb, _, _ := strings.Cut(strings.TrimSpace(line), " "); strings.ToUpper(verb) {
		case "EHLO":
			answer = "250-sink\r\n250-PIPELINING\r\n250 8BITMIME"
		case "DATA":
			fmt.Fprint(s, "354 continue\r\n")
			message, err := s.readData()
			if err != nil {
				return
			}
			if err := s.deliver(message, time.Now()); err != nil {
				answer = "554 " + err.Error()
			}
		case "QUIT":
			fmt.Fprint(s, "221 bye\r\n")
			return
		}
		fmt.Fprint(s, answer+"\r\n")
	}
}

// readData reads up to the final dot and undoes dot-stuffing, and nothing else.
func (s *sinkSession) readData() ([]byte, error) {
	var message []byte
	for {
		line, err := s.in.ReadBytes('\n')
		if err != nil {
			return nil, err
		}
		if string(line) == ".\r\n" {
			return message, nil
		}
		message = append(message, bytes.TrimPrefix(line, []byte("."))...)
	}
}
