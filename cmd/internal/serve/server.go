package serve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/net/netutil"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Limits of a connection: whoever asks slowly is not waited for.
const (
	headTime  = 5 * time.Second
	writeTime = 2 * time.Minute // reading the states of many domains is part of it
	idleTime  = 2 * time.Minute
	endTime   = 3 * time.Second
	maxHead   = 16 << 10
	maxConns  = 64 // far below what a process may open: what rotates keys needs files, too
)

// unixPrefix begins the name of a Unix socket, which an absolute path follows.
const unixPrefix = "unix:"

// Detail reads of a domain what only its own page shows.
type Detail struct {
	State   func(ctx context.Context, domain string) (rotate.State, error)
	History func(ctx context.Context, domain string, limit int) ([]rotate.Event, error) // the newest, oldest first
}

// Served is what a server answers with.
type Served struct {
	Metrics *Metrics
	Health  Health
	Detail  Detail
	Log     *slog.Logger // hears of answers that fail
}

// Server answers at one address. Close it.
type Server struct {
	Address  string // as it was asked for
	names    atomic.Pointer[[]string]
	listener net.Listener
	socket   os.FileInfo // its own socket; nil for another address
	http     *http.Server
}

// Listen answers at the address, "host:port" or "unix:/path", until the server is closed. A socket's
// file that is left from a process that runs no more is taken; a program that listens there is not.
// Names are those by which it may be asked, besides addresses; see Answer.
func Listen(address string, names []string, of Served) (*Server, error) {
	log := of.Log
	l, err := listen(address)
	if err != nil {
		return nil, unusable(address, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(of.Metrics.registry, promhttp.HandlerOpts{
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelError), MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /livez", of.Health.livez)
	mux.HandleFunc("GET /readyz", of.Health.readyz)
	mux.Handle("GET /", newPage(of.Metrics.fleet, of.Detail, log).handler())
	s := &Server{Address: address, listener: l, socket: socketOf(address)}
	s.Answer(names)
	s.http = &http.Server{Handler: s.guard(mux), ReadHeaderTimeout: headTime, ReadTimeout: headTime,
		WriteTimeout: writeTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHead,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug)}
	go func() {
		if err := s.http.Serve(netutil.LimitListener(l, maxConns)); !errors.Is(err, http.ErrServerClosed) {
			log.Error("can't serve metrics and status any more", "address", address, "error", err)
		}
	}()
	return s, nil
}

func listen(address string) (net.Listener, error) {
	path, unix := strings.CutPrefix(address, unixPrefix)
	if !unix {
		return net.Listen("tcp", address)
	}
	// Others could put something else in the socket's place, and have its mode changed.
	dir, err := safefile.MakeDir(filepath.Dir(path), safefile.Ours(0o755), safefile.Ours(0o755))
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	info, err := dir.Stat()
	if err == nil && info.Mode&0o022 != 0 && info.Mode&fs.ModeSticky == 0 {
		err = fmt.Errorf("others may write in the directory %s", filepath.Dir(path))
	}
	if err != nil {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if errors.Is(err, syscall.EADDRINUSE) && abandoned(path) {
		if err := os.Remove(path); err != nil {
			return nil, err
		}
		l, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	}
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // another process may have taken the name meanwhile: see Close
	// Its directory says who may come near; of those, the group may ask.
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// socketOf returns the socket that stands at the address now; nil for an address without one.
func socketOf(address string) os.FileInfo {
	path, unix := strings.CutPrefix(address, unixPrefix)
	if !unix {
		return nil
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil
	}
	return info
}

// abandoned reports that the path is a socket at which no process listens.
func abandoned(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	c, err := net.DialTimeout("unix", path, headTime)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, syscall.ECONNREFUSED)
}

// Answer says by which names the server may be asked from now on, besides addresses and localhost: those that a proxy
// in front hands on, and those that programs ask at.
func (s *Server) Answer(names []string) { s.names.Store(&names) }

// forPrograms are what programs on other hosts ask for, by whatever name leads here. They name no domain.
var forPrograms = []string{"/metrics", "/livez", "/readyz"}

// guard refuses questions that a web page elsewhere had a browser ask (DNS rebinding): it has its own name lead to
// the daemon's address, so the Host is a name that nobody has listed. No page can be asked for at a Unix socket.
// What is for programs is refused at loopback addresses only, which no program elsewhere asks.
func (s *Server) guard(next http.Handler) http.Handler {
	addr, isTCP := s.listener.Addr().(*net.TCPAddr)
	open := isTCP && !addr.IP.IsLoopback()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		byProgram := open && slices.Contains(forPrograms, r.URL.Path)
		if isTCP && !byProgram && !ownName(r.Host, *s.names.Load()) {
			http.Error(w, fmt.Sprintf("ask at %s, or list this name in serve.hosts", s.listener.Addr()),
				http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownName reports whether a Host is an address, localhost or one of the names.
func ownName(host string, names []string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return err == nil || host == "localhost" || slices.Contains(names, host)
}

// Close ends what is being answered, after some seconds by force. A nil server is closed.
func (s *Server) Close() {
	if s == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
	if now := socketOf(s.Address); s.socket != nil && now != nil && os.SameFile(s.socket, now) {
		os.Remove(strings.TrimPrefix(s.Address, unixPrefix))
	}
}

// Addr is where the server answers: with the port that was chosen for port 0.
func (s *Server) Addr() net.Addr { return s.listener.Addr() }
