package cli_test

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/cmd/internal/cli"
)

// longestTrace is how many frames may lie between main and a DNS write.
const longestTrace = 15

// TestTrace: from main to the write in DNS a rotation passes few functions, and each does
// something. The package documentation of rotate/engine lists them; this test holds the list.
func TestTrace(t *testing.T) {
	l := newLab(t, "trace.test")
	server := listenAndTrace(t)
	l.file(t, "tsig.secret", "c2VjcmV0c2VjcmV0c2VjcmV0\n")
	l.serve(t)
	l.Provider = rfc2136(server.addr, "tsig.secret") + "\ntimeout: 1m"
	l.write(t)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server.traced = cancel // one write is enough
	env := map[string]string{"DKIMBOT_CONFIG": filepath.Join(l.Dir, "dkimbot.yaml")}
	cli.Main([]string{"rotate", "--domain", "trace.test"}, cli.Streams{Out: io.Discard, Err: io.Discard,
		Env:          func(name string) string { return env[name] },
		CaughtSignal: func(context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} }})

	got := append([]string{"main.main"}, server.trace()...)
	if len(got) > longestTrace {
		t.Errorf("%d frames lie between main and the DNS write, %d may:\n%s", len(got), longestTrace, strings.Join(got, "\n"))
	}
	if listed := listedTrace(t); !slices.Equal(got, listed) {
		t.Errorf("the frames are\n%s\nand rotate/engine/doc.go lists\n%s", strings.Join(got, "\n"),
			strings.Join(listed, "\n"))
	}
}

// listedTrace returns what the package documentation of rotate/engine says.
func listedTrace(t *testing.T) (names []string) {
	t.Helper()
	text, err := os.ReadFile("../../../rotate/engine/doc.go")
	must(t, err)
	for _, m := range regexp.MustCompile(`(?m)^//\t *[0-9]+ ([^ \n]+)`).FindAllStringSubmatch(string(text), -1) {
		names = append(names, m[1])
	}
	return names
}

// traceServer is a name server that refuses everything, and looks who asks.
type traceServer struct {
	addr   string
	traced func()

	mu    sync.Mutex
	stack string // of all goroutines, as the first question came
}

func listenAndTrace(t *testing.T) *traceServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := &traceServer{addr: l.Addr().String()}
	server := &dns.Server{Listener: l, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if q.Opcode == dns.OpcodeUpdate && q.Ns[0].Header().Class == dns.ClassNONE { // asks beforehand, and writes nothing
			m := new(dns.Msg).SetReply(q)
			m.SetTsig("dkimbot.", dns.HmacSHA256, 300, time.Now().Unix())
			w.WriteMsg(m)
			return
		}
		s.see() // the one who asks waits for the answer
		w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeRefused))
	}), TsigSecret: map[string]string{"dkimbot.": "c2VjcmV0c2VjcmV0c2VjcmV0"},
		MsgAcceptFunc: func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }}
	go server.ActivateAndServe()
	t.Cleanup(func() { server.Shutdown() })
	return s
}

func (s *traceServer) see() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stack == "" {
		all := make([]byte, 1<<22)
		s.stack = string(all[:runtime.Stack(all, true)])
		s.traced()
	}
}

var (
	goroutine = regexp.MustCompile(`^goroutine (\d+) `)
	creator   = regexp.MustCompile(`(?m)^created by (\S+) in goroutine (\d+)$`)
	module    = "github.com/dkimbot/dkimbot/"
)

// trace returns the functions of the program from cli.Main to the driver's Set, the write in
// DNS, through the goroutines that they have started. Libraries between them do not count.
func (s *traceServer) trace() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stacks, from, below := map[string]string{}, "", ").Set"
	for _, g := range strings.Split(s.stack, "\n\n") {
		if m := goroutine.FindStringSubmatch(g); m != nil {
			stacks[m[1]] = g
			if strings.Contains(g, "providers.(*updater).Set(") {
				from = m[1]
			}
		}
	}
	for from != "" {
		inner, found := []string{}, false
		for _, line := range strings.Split(stacks[from], "\n") {
			arguments := strings.LastIndex(line, "(")
			name, ours := strings.CutPrefix(line[:max(arguments, 0)], module)
			if !ours || strings.HasPrefix(name, "cmd/internal/cli_test") {
				continue
			}
			name = name[strings.LastIndex(name, "/")+1:]
			if found = found || strings.HasSuffix(name, below); found {
				inner = append(inner, name)
			}
		}
		slices.Reverse(inner)
		names = append(inner, names...)
		next := creator.FindStringSubmatch(stacks[from])
		if next == nil || strings.HasPrefix(next[1], "testing.") {
			return names
		}
		from, below = next[2], next[1][strings.LastIndex(next[1], "/")+1:]
	}
	return names
}
