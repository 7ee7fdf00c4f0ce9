package milter

import (
	"net"
	"syscall"
)

// quickAck acknowledges at once what is read. OpenDKIM, for one, sends its answer in
// several small segments and waits for the acknowledgement of each, which the
// kernel would put off by 40 ms.
type quickAck struct {
	net.Conn
	raw syscall.RawConn
}

func newQuickAck(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	return quickAck{c, raw}
}

func (q quickAck) Read(p []byte) (int, error) {
	q.raw.Control(func(fd uintptr) {
		syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1) // a wish: the kernel forgets it again
	})
	return q.Conn.Read(p)
}
