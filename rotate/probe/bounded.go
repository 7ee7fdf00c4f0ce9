package probe

import (
	"net"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/procfs"
)

// bounded is a listener that leaves room for newcomers, and lets no connection stay for ever. A mail server needs a
// moment for a message, so of too many connections of one stranger his oldest ends, never that of somebody else.
type bounded struct {
	net.Listener

	mu   sync.Mutex
	open []*brief // the oldest first
}

// Accept returns the next connection.
func (b *bounded) Accept() (net.Conn, error) {
	conn, err := b.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &brief{Conn: conn, of: b, owner: ownerOf(conn), until: time.Now().Add(connectionTime)}
	for _, old := range b.add(c) {
		old.Close()
	}
	return c, nil
}

// add takes a connection up, and returns those that are too many by that.
func (b *bounded) add(c *brief) (over []*brief) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = append(b.open, c)
	if b.count(c.owner) > mostOfOne {
		return []*brief{b.oldest(c.owner)}
	}
	if len(b.open) <= mostConnections {
		return nil
	}
	most := slices.MaxFunc(b.open, func(x, y *brief) int { return b.count(x.owner) - b.count(y.owner) })
	return []*brief{b.oldest(most.owner)}
}

// count is how many connections somebody has.
func (b *bounded) count(owner string) (n int) {
	for _, c := range b.open {
		if c.owner == owner {
			n++
		}
	}
	return n
}

// oldest is somebody's first connection.
func (b *bounded) oldest(owner string) *brief {
	return b.open[slices.IndexFunc(b.open, func(c *brief) bool { return c.owner == owner })]
}

// part waits a moment for those who are connected to leave.
func (b *bounded) part() {
	connected := func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.open) > 0
	}
	tick := time.NewTicker(partingTime / 100)
	defer tick.Stop()
	for end := time.Now().Add(partingTime); connected() && time.Now().Before(end); {
		<-tick.C
	}
}

func (b *bounded) remove(c *brief) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = slices.DeleteFunc(b.open, func(o *brief) bool { return o == c })
}

// brief is a connection that ends at a time, whatever is said on it.
type brief struct {
	net.Conn
	of    *bounded
	owner string
	until time.Time
}

func (c *brief) bounded(t time.Time) time.Time {
	if t.IsZero() || t.After(c.until) {
		return c.until
	}
	return t
}

// SetDeadline sets the time, within that of the connection.
func (c *brief) SetDeadline(t time.Time) error { return c.Conn.SetDeadline(c.bounded(t)) }

// SetReadDeadline sets the time, within that of the connection.
func (c *brief) SetReadDeadline(t time.Time) error { return c.Conn.SetReadDeadline(c.bounded(t)) }

// SetWriteDeadline sets the time, within that of the connection.
func (c *brief) SetWriteDeadline(t time.Time) error { return c.Conn.SetWriteDeadline(c.bounded(t)) }

// Close ends the connection and makes room.
func (c *brief) Close() error {
	c.of.remove(c)
	return c.Conn.Close()
}

// ownerOf names who has connected: the host, and of this host the user, since a local one could otherwise push the
// mail server out by connecting over and over.
func ownerOf(conn net.Conn) string {
	remote, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return conn.RemoteAddr().String()
	}
	if uid, ok := userOf(remote, conn.LocalAddr()); ok {
		return remote.IP.String() + " " + strconv.FormatUint(uid, 10)
	}
	return remote.IP.String()
}

// userOf returns the user whose socket of this host has the address remote and is connected to the other one. The
// kernel lists the sockets of this network namespace.
func userOf(remote *net.TCPAddr, here net.Addr) (uid uint64, ok bool) {
	local, ok := here.(*net.TCPAddr)
	if !ok || !remote.IP.IsLoopback() {
		return 0, false
	}
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, false
	}
	//lint:ignore SA1019 netlink, which is quicker, is forbidden to dkimbot's units (RestrictAddressFamilies=)
	four, _ := fs.NetTCP()
	//lint:ignore SA1019 likewise
	six, _ := fs.NetTCP6() // also of IPv4, when the socket is for both
	for _, s := range slices.Concat(four, six) {
		if s.LocalPort == uint64(remote.Port) && s.RemPort == uint64(local.Port) &&
			s.LocalAddr.Equal(remote.IP) && s.RemAddr.Equal(local.IP) {
			return s.UID, true
		}
	}
	return 0, false
}
