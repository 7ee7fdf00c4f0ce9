package milter

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// Bounds on what the milter may answer to one message. Whoever listens in its place while it
// is down could otherwise fill the memory, keep a run waiting for ever, or end the program:
// the library makes room for as much as a packet announces, and expects a code in each.
const (
	mostAnswered = 1 << 20          // octets; OpenDKIM sends a few thousand
	messageTime  = 30 * time.Second // OpenDKIM takes milliseconds
)

// bounded is a connection to the milter, read packet by packet.
type bounded struct {
	net.Conn
	head  []byte // of a packet whose length is known, not read yet
	body  int    // octets of the packet after that
	left  int    // octets that may still be answered to this message
	until time.Time
}

func newBounded(conn net.Conn) *bounded {
	b := &bounded{Conn: conn}
	b.begin()
	return b
}

// begin starts a message, with room and time of its own.
func (b *bounded) begin() { b.left, b.until = mostAnswered, time.Now().Add(messageTime) }

// Read reads from one packet, and fails at one that is empty or too long.
func (b *bounded) Read(p []byte) (int, error) {
	if len(b.head) == 0 && b.body == 0 {
		if err := b.next(); err != nil {
			return 0, err
		}
	}
	if len(b.head) > 0 {
		n := copy(p, b.head)
		b.head = b.head[n:]
		return n, nil
	}
	n, err := b.Conn.Read(p[:min(len(p), b.body)])
	b.body -= n
	return n, err
}

// next reads how long the next packet is: four octets, of which it does not count itself.
func (b *bounded) next() error {
	head := make([]byte, 4)
	if _, err := io.ReadFull(b.Conn, head); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head)
	switch {
	case n == 0:
		return fmt.Errorf("it does not speak the milter protocol: a packet has no octets")
	case int64(n) > int64(b.left):
		return fmt.Errorf("it answers more than %d octets to one message, "+
			"or does not speak the milter protocol", mostAnswered)
	}
	b.head, b.body, b.left = head, int(n), b.left-int(n)-len(head)
	return nil
}

// SetReadDeadline sets the time until which one packet is waited for, within that of the message.
func (b *bounded) SetReadDeadline(t time.Time) error {
	if t.IsZero() || t.After(b.until) {
		t = b.until
	}
	return b.Conn.SetReadDeadline(t)
}
