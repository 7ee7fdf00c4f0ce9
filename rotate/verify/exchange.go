package verify

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// udpSize is offered by EDNS: large enough for most keys, small enough for
// every path (the DNS flag day 2020 value).
const udpSize = 1232

// client exchanges one question for one answer.
type client struct {
	timeout time.Duration
	slots   chan struct{} // bounds the exchanges under way, and so the open sockets
	dial    func(ctx context.Context, network, addr string) (net.Conn, error)
}

func newClient(cfg Config) *client {
	c := &client{timeout: cfg.Timeout, dial: (&net.Dialer{}).DialContext}
	if c.timeout <= 0 {
		c.timeout = 2 * time.Second
	}
	if cfg.Parallel <= 0 {
		cfg.Parallel = 256
	}
	c.slots = make(chan struct{}, cfg.Parallel)
	return c
}

// question builds a query; recurse asks a resolver to do the work (RD).
func question(name string, qtype uint16, recurse bool) *dns.Msg {
	m := new(dns.Msg).SetQuestion(name, qtype)
	m.RecursionDesired = recurse
	return m.SetEdns0(udpSize, false)
}

// signedQuestion asks an authoritative server for what it has and the signatures over it.
func signedQuestion(name string, qtype uint16) *dns.Msg {
	m := new(dns.Msg).SetQuestion(name, qtype)
	m.RecursionDesired = false
	return m.SetEdns0(udpSize, true)
}

// exchange asks by UDP, and by TCP when the answer is truncated or none comes:
// a lost packet and a firewall look the same.
func (c *client) exchange(ctx context.Context, addr netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	m, err := c.once(ctx, "udp", addr, q)
	if err == nil && !m.Truncated {
		return m, nil
	}
	if ctx.Err() != nil || noRoute(err) {
		return nil, err
	}
	t, tcpErr := c.once(ctx, "tcp", addr, q)
	if tcpErr == nil && t.Truncated {
		return nil, errors.New("gives a truncated answer over TCP") // what is missing can't be known
	}
	if tcpErr != nil && err == nil {
		return nil, errors.New("gives a truncated answer over UDP, and over TCP it " + sayError(tcpErr))
	}
	return t, tcpErr
}

func (c *client) once(ctx context.Context, network string, addr netip.AddrPort, q *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	conn, err := c.dial(ctx, network, addr.String())
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	// The deadline alone would make a cancelled look wait for its time-out.
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()
	co := &dns.Conn{Conn: conn, UDPSize: udpSize}
	if err := co.WriteMsg(q); err != nil {
		return nil, err
	}
	for {
		m, err := co.ReadMsg()
		if err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return nil, err
		}
		if answers(m, q) {
			return m, nil
		}
	}
}

// answers guards against late and forged packets.
func answers(m, q *dns.Msg) bool {
	return m.Response && m.Id == q.Id && m.Opcode == q.Opcode && len(m.Question) == 1 &&
		m.Question[0].Qtype == q.Question[0].Qtype && m.Question[0].Qclass == q.Question[0].Qclass &&
		strings.EqualFold(m.Question[0].Name, q.Question[0].Name)
}

// noRoute reports that this machine can't send to the address at all.
func noRoute(err error) bool {
	return errors.Is(err, syscall.ENETUNREACH) || errors.Is(err, syscall.EAFNOSUPPORT) ||
		errors.Is(err, syscall.EADDRNOTAVAIL)
}

// unreachable reports that nothing at the address was reached: no route, no
// answer in time, or no program that listens.
func unreachable(err error) bool {
	var op *net.OpError
	return noRoute(err) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &op)
}

// sayError words an exchange's error for people.
func sayError(err error) string {
	var op *net.OpError
	var malformed *dns.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "did not answer"
	case errors.Is(err, context.Canceled):
		return "was not waited for"
	case noRoute(err):
		return "can't be reached from here (no route)"
	case errors.As(err, &malformed):
		return "sends an answer that can't be read (" + err.Error() + ")"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closes the connection without an answer"
	case errors.As(err, &op):
		return "did not answer (" + op.Err.Error() + ")"
	}
	return err.Error()
}
