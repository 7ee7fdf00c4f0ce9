package serve

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// ask returns the status and the text of an answer.
func ask(t *testing.T, s *Server, path, host string) (int, string) {
	t.Helper()
	c := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, s.Addr().Network(), s.Addr().String())
		}}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+host+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func start(t *testing.T, address string, h Health) *Server {
	t.Helper()
	s, err := Listen(address, nil, Served{Metrics: metricsOf(Fleet{}), Health: h, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// metricsOf are the metrics of a daemon with the fleet.
func metricsOf(f Fleet) *Metrics {
	m := NewMetrics("1")
	m.Register(func(context.Context) (Fleet, error) { return f, nil }, func() int { return 0 }, quiet)
	return m
}

func well(context.Context) error { return nil }

// TestHealthIsTrue: /livez and /readyz say no when the schedule hangs, and /readyz also while the
// state can't be read, with what to do.
func TestHealthIsTrue(t *testing.T) {
	broken := func(context.Context) error {
		return fault.Lasting("read state.db", errors.New("disk I/O error"), "look at the disk")
	}
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for title, tt := range map[string]struct {
		alive       bool
		ready       func(context.Context) error
		livez       int
		readyz      int
		words, hint string
	}{
		"all is well":            {true, well, 200, 200, "ok", ""},
		"the schedule hangs":     {false, well, 503, 503, "has not asked for two minutes", ""},
		"the state can't answer": {true, broken, 200, 503, "read state.db: disk I/O error", "hint: look at the disk"},
		"both":                   {false, broken, 503, 503, "read state.db", ""},
		"a reload": {true, func(context.Context) error { return context.Canceled }, 200, 503,
			"the daemon reads its configuration again, or ends", ""},
		"the state hangs": {true, hangs, 200, 503, "deadline exceeded", ""},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			s := start(t, "127.0.0.1:0", Health{Alive: func() bool { return tt.alive }, Ready: tt.ready})
			if code, _ := ask(t, s, "/livez", "127.0.0.1"); code != tt.livez {
				t.Errorf("/livez: %d, want %d", code, tt.livez)
			}
			code, text := ask(t, s, "/readyz", "127.0.0.1")
			if code != tt.readyz || !strings.Contains(text, tt.words) || !strings.Contains(text, tt.hint) {
				t.Errorf("/readyz: %d, %q", code, text)
			}
		})
	}
}

// TestOnlyReading: nothing but reading is answered, and a web page elsewhere that has its name lead to
// this machine learns nothing.
func TestOnlyReading(t *testing.T) {
	s := start(t, "127.0.0.1:0", Health{Alive: func() bool { return true }, Ready: well})
	for host, want := range map[string]int{"127.0.0.1": 200, "localhost:9980": 200, "[::1]:9980": 200, "evil.example": 421,
		"evil.example:9980": 421} {
		if code, text := ask(t, s, "/metrics", host); code != want || want != 200 && strings.Contains(text, "dkimbot_") {
			t.Errorf("host %s: %d, want %d", host, code, want)
		}
	}
	s.Answer([]string{"status.example.com"})
	for host, want := range map[string]int{"status.example.com": 200, "Status.Example.COM.:80": 200, "evil.example": 421,
		"status.example.com.evil.example": 421, "192.0.2.1": 200} {
		if code, _ := ask(t, s, "/livez", host); code != want {
			t.Errorf("host %s: %d, want %d", host, code, want)
		}
	}
	everywhere := start(t, "0.0.0.0:0", Health{Alive: func() bool { return true }, Ready: well})
	if code, _ := ask(t, everywhere, "/", "evil.example"); code != 421 {
		t.Errorf("on all addresses a page elsewhere is answered: %d", code)
	}
	for _, path := range forPrograms {
		if code, _ := ask(t, everywhere, path, "prometheus-asks.example:9980"); code != 200 {
			t.Errorf("%s: a program that asks by a name of its own is answered %d", path, code)
		}
	}
	res, err := http.Post("http://"+s.Addr().String()+"/metrics", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %s", res.Status)
	}
	if code, _ := ask(t, s, "/../../etc/passwd", "127.0.0.1"); code == 200 {
		t.Error("a path out of the server was answered")
	}
}

// TestUnixSocket: what a killed process left is taken, a socket that is in use and any other file is
// not; others can't ask.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	left.Close()
	s := start(t, "unix:"+path, Health{Alive: func() bool { return true }, Ready: well})
	if code, text := ask(t, s, "/livez", "any.example"); code != 200 || text != "ok\n" {
		t.Errorf("%d, %q", code, text)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("the socket has mode %v, error %v", info, err)
	}
	if _, err := Listen("unix:"+path, nil, Served{Metrics: metricsOf(Fleet{}), Log: quiet}); err == nil ||
		fault.HintOf(err) == "" ||
		!strings.Contains(err.Error(), "serve metrics and status at unix:") {
		t.Errorf("a second one listens, too: %v", err)
	}
	file := filepath.Join(t.TempDir(), "precious")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen("unix:"+file, nil, Served{Metrics: metricsOf(Fleet{}), Log: quiet}); err == nil {
		t.Error("a file was taken for a socket")
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("the file holds %q, error %v", text, err)
	}
	s.Close()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

// TestSocketOfOthers: no socket is made in a directory in which others could put something else in its
// place, and one that another process has made meanwhile stays when this one ends.
func TestSocketOfOthers(t *testing.T) {
	open := filepath.Join(t.TempDir(), "open")
	if err := errors.Join(os.Mkdir(open, 0o700), os.Chmod(open, 0o777)); err != nil {
		t.Fatal(err)
	}
	if s, err := Listen("unix:"+filepath.Join(open, "s"), nil, Served{Metrics: metricsOf(Fleet{}), Log: quiet}); err == nil {
		s.Close()
		t.Error("a socket was made where everybody may write")
	}
	path := filepath.Join(t.TempDir(), "s")
	first := start(t, "unix:"+path, Health{Alive: func() bool { return true }, Ready: well})
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	second := start(t, "unix:"+path, Health{Alive: func() bool { return true }, Ready: well})
	first.Close()
	if code, _ := ask(t, second, "/livez", "x"); code != 200 {
		t.Errorf("the other's socket answers %d", code)
	}
}

// TestManyAskers: however many connect, the process keeps what it needs to rotate keys.
func TestManyAskers(t *testing.T) {
	s := start(t, "127.0.0.1:0", Health{Alive: func() bool { return true }, Ready: well})
	before := descriptors(t)
	for range 4 * maxConns {
		c, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "GET /livez HTTP/1.1\r\nX-Slow: ")
	}
	if held := descriptors(t) - before - 4*maxConns; held > maxConns+8 { // this process holds the other ends, too
		t.Errorf("%d descriptors are held for them", held)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// TestSlowAskers: whoever sends a request byte by byte holds no connection for long, and nobody
// else up.
func TestSlowAskers(t *testing.T) {
	s := start(t, "127.0.0.1:0", Health{Alive: func() bool { return true }, Ready: well})
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "GET /livez HTTP/1.1\r\nX-Slow: ")
	if code, _ := ask(t, s, "/livez", "127.0.0.1"); code != 200 {
		t.Errorf("another one got %d", code)
	}
	c.SetReadDeadline(time.Now().Add(2 * time.Minute))
	if _, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the slow one was not sent away")
	}
}
