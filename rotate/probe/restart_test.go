package probe

import (
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// TestRestarts: a mail server that is started again while messages are submitted, as for the switch of another domain,
// keeps no message from being seen.
func TestRestarts(t *testing.T) {
	begin := func(t *testing.T) (p *Prober, m *mta, domains []dkim.SigningKey) {
		t.Parallel()
		p, m, k := listening(t)
		for i := range 20 {
			domains = append(domains, k.key(fmt.Sprintf("d%d.example", i), "s1"))
		}
		return p, m, domains
	}
	seen := func(t *testing.T, p *Prober, domains []dkim.SigningKey) {
		t.Helper()
		if failed := p.Prove(t.Context(), domains, nil); len(failed) > 0 {
			t.Error(failed)
		}
	}
	t.Run("it is away at first", func(t *testing.T) {
		p, m, domains := begin(t)
		front := front(t, m.address, 0)
		p.Config.Submit = "smtp://" + front.address
		front.away.Store(true)
		time.AfterFunc(time.Second, func() { front.away.Store(false) })
		seen(t, p, domains)
	})
	for cut := range 6 {
		t.Run(fmt.Sprintf("connections are cut after %d lines", cut), func(t *testing.T) {
			p, m, domains := begin(t)
			front := front(t, m.address, cut)
			p.Config.Submit = "smtp://" + front.address
			seen(t, p, domains)
			if front.cuts.Load() == 0 {
				t.Error("no connection was cut")
			}
		})
	}
	t.Run("it says that it shuts down", func(t *testing.T) {
		p, m, domains := begin(t)
		deliver, said := m.deliver, atomic.Int32{}
		m.deliver = func(from, to string, message []byte) error {
			if said.Add(1) < 4 {
				return &smtp.SMTPError{Code: 421, EnhancedCode: smtp.EnhancedCode{4, 3, 2}, Message: "shutting down"}
			}
			return deliver(from, to, message)
		}
		seen(t, p, domains)
	})
	t.Run("it stays away", func(t *testing.T) {
		p, m, domains := begin(t)
		front := front(t, m.address, 0)
		p.Config.Submit, p.Config.Timeout = "smtp://"+front.address, time.Second
		front.away.Store(true)
		began := time.Now()
		failed := p.Prove(t.Context(), domains, nil)
		if len(failed) != len(domains) || !strings.Contains(fmt.Sprint(failed["d19.example"]), "did not take it") {
			t.Errorf("%v", failed)
		}
		if took := time.Since(began); took < p.Config.Timeout {
			t.Errorf("it was waited for %v only", took)
		}
		if n := front.tries.Load(); int(n) > 2*connections+int(p.Config.Timeout/knockAgain) {
			t.Errorf("it was tried %d times", n)
		}
	})
}

// frontServer stands before a mail server. Each connection ends at once while it is away; and some of them after so many
// lines of the client.
type frontServer struct {
	address     string
	away        atomic.Bool
	tries, cuts atomic.Int32
}

// mostCuts is how many connections a front cuts, before it lets all pass.
const mostCuts = 12

func front(t *testing.T, to string, lines int) *frontServer {
	t.Helper()
	on, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &frontServer{address: on.Addr().String()}
	t.Cleanup(func() { on.Close() })
	go func() {
		for {
			conn, err := on.Accept()
			if err != nil {
				return
			}
			f.tries.Add(1)
			if f.away.Load() {
				conn.Close()
				continue
			}
			go f.pass(conn, to, lines)
		}
	}()
	return f
}

// pass hands on what both sides say, and cuts some connections after so many lines; 0 is none.
func (f *frontServer) pass(conn net.Conn, to string, lines int) {
	defer conn.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() {
		defer conn.Close()
		buf := make([]byte, 4096)
		for {
			n, err := server.Read(buf)
			if err != nil {
				return
			}
			conn.Write(buf[:n])
		}
	}()
	cut := f.cuts.Add(1) <= mostCuts
	buf := make([]byte, 4096)
	for said := 0; !cut || said < lines; {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		said += strings.Count(string(buf[:n]), "\n")
		server.Write(buf[:n])
	}
}
