// Package netlimit bounds what the other side of a connection may send, so that a
// hostile or broken server fills no memory. It is a leaf: it imports the standard library only.
package netlimit

import (
	"fmt"
	"net"
)

// Conn returns conn as one from which no more than most octets can be read; then
// reading fails. It is as safe for concurrent use as conn, with one reader at a time.
func Conn(conn net.Conn, most int64) net.Conn { return &limited{Conn: conn, most: most, left: most} }

type limited struct {
	net.Conn
	most, left int64
}

// Read reads as the connection does, until the bound.
func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, fmt.Errorf("it sent more than %d octets", l.most)
	}
	if int64(len(p)) > l.left {
		p = p[:l.left]
	}
	n, err := l.Conn.Read(p)
	l.left -= int64(n)
	return n, err
}
