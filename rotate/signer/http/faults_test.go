package http

import (
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestBadAnswers: every bad end of a request is an error that says so and holds neither key nor token (I9); a retry is
// made only where it can help, and nothing is confirmed (I10).
func TestBadAnswers(t *testing.T) {
	k := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	says := func(status int, text string) func(w http.ResponseWriter, r *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) { http.Error(w, text, status) }
	}
	echo := func(status int) func(w http.ResponseWriter, r *http.Request) {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			fmt.Fprintln(w, r.Header)
			io.Copy(w, r.Body)
		}
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("another host was asked")
	}))
	defer elsewhere.Close()
	for name, c := range map[string]struct {
		handle func(w http.ResponseWriter, r *http.Request)
		words  string
		kind   fault.Kind
		tries  int
	}{
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/keys?token=hunter2", http.StatusTemporaryRedirect)
		}, "a redirect to " + elsewhere.URL + "/keys", fault.Permanent, 1},
		"redirect to nowhere": {says(http.StatusFound, ""), "a redirect to nowhere", fault.Permanent, 1},
		"token refused":       {echo(http.StatusUnauthorized), "401 Unauthorized", fault.Permanent, 1},
		"not found":           {says(http.StatusNotFound, "no such page"), "no such page", fault.Permanent, 1},
		"refused":             {echo(http.StatusUnprocessableEntity), "422 Unprocessable", fault.Permanent, 1},
		"a piece of the key": {func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			_, key, _ := strings.Cut(string(body), "PRIVATE KEY-----")
			http.Error(w, "can't read "+key[:200], http.StatusUnprocessableEntity)
		}, "422 Unprocessable", fault.Permanent, 1},
		"broken":      {echo(http.StatusInternalServerError), "500 Internal", fault.Transient, 4},
		"in progress": {says(http.StatusConflict, "the first one runs still"), "409 Conflict", fault.Transient, 4},
		"throttled for long": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "7200")
			w.WriteHeader(http.StatusTooManyRequests)
		}, "asks to wait for 2h", fault.Transient, 1},
		"long text": {says(http.StatusBadRequest, strings.Repeat("na ", 5000)), "...", fault.Permanent, 1},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		}, "more than 16 MiB", fault.Permanent, 1},
		"cut off": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"active"`)
		}, "gave no answer: unexpected EOF", fault.Transient, 4},
		"nothing":          {func(http.ResponseWriter, *http.Request) {}, "answer is empty", fault.Transient, 1},
		"its own document": {echo(http.StatusOK), "is not the JSON document", fault.Transient, 1},
		"other selector": {func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, `{"active":{"a.example":{"selector":"s2"}}}`)
		}, `"s2" signs`, fault.Transient, 1},
		"not HTTP": {func(w http.ResponseWriter, r *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			defer conn.Close()
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(conn, "%s %s\n", r.Header.Get("Authorization"), body)
		}, "malformed HTTP", fault.Transient, 4},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t)
			n := 0
			f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n++; c.handle(w, r) })
			err := f.signer(t, func(c *Config) { c.SendKey = true }).Activate(t.Context(), []dkim.SigningKey{k})
			faulttest.Shown(t, err)
			if err == nil || !strings.Contains(err.Error(), c.words) || fault.KindOf(err) != c.kind || n != c.tries {
				t.Errorf("%d tries, %v: %v", n, fault.KindOf(err), err)
			}
			noSecret(t, err, k)
		})
	}
}

func noSecret(t *testing.T, err error, k dkim.SigningKey) {
	t.Helper()
	block, _ := pem.Decode(k.Key.PEM())
	text := fmt.Sprint(err, fault.HintOf(err))
	if strings.Contains(text, token) || strings.Contains(text, "hunter2") ||
		strings.Contains(text, string(block.Bytes[:9])) {
		t.Errorf("a secret is in the error: %s", text)
	}
	for line := range strings.Lines(string(k.Key.PEM())) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "-") && strings.Contains(text, line) {
			t.Errorf("a line of the key is in the error: %s", text)
		}
	}
}

// TestThrottled: an endpoint that asks to wait is left alone for so long, and asked again.
func TestThrottled(t *testing.T) {
	f := start(t)
	var asked []time.Time
	f.before = func(w http.ResponseWriter, n int) bool {
		asked = append(asked, time.Now())
		w.Header().Set("Retry-After", "1")
		if n == 1 {
			w.WriteHeader(http.StatusTooManyRequests)
		}
		return n == 1
	}
	if _, err := f.signer(t, nil).Active(t.Context(), []string{"a.example"}); err != nil {
		t.Fatal(err)
	}
	if wait := asked[1].Sub(asked[0]); wait < time.Second {
		t.Errorf("asked again after %s", wait)
	}
}

// TestMilterCounts guards I10: with a milter the endpoint's words alone confirm nothing.
func TestMilterCounts(t *testing.T) {
	s := start(t).signer(t, func(c *Config) { c.Milter, c.Timeout = "inet:127.0.0.1:1", time.Second })
	faulttest.Shown(t, s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])}))
	_, err := s.Active(t.Context(), []string{"a.example"})
	faulttest.Shown(t, err)
}

// TestUnreachable: a slow endpoint, none, and one with a certificate that is not known.
func TestUnreachable(t *testing.T) {
	f := start(t)
	release := make(chan struct{})
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-release })
	slow := f.signer(t, func(c *Config) { c.Timeout = 50 * time.Millisecond })
	_, err := slow.Active(t.Context(), []string{"a.example"})
	close(release)
	faulttest.Shown(t, err)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = f.signer(t, func(c *Config) { c.URL = "http://" + l.Addr().String() }).Active(t.Context(),
		[]string{"a.example"})
	faulttest.Shown(t, err)

	secure := httptest.NewTLSServer(start(t))
	defer secure.Close()
	secure.Config.ErrorLog = nil
	_, err = f.signer(t, func(c *Config) { c.URL = secure.URL }).Active(t.Context(), []string{"a.example"})
	faulttest.Shown(t, err)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})
	if err := os.WriteFile(ca, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := f.signer(t, func(c *Config) { c.URL, c.CAFile = secure.URL, ca }).Active(t.Context(),
		[]string{"a.example"}); err != nil {
		t.Error(err)
	}
}

// TestConfig: what can't be called, and what would send keys in the clear, is refused before.
func TestConfig(t *testing.T) {
	for _, url := range []string{"", "mail.example.com", "ftp://mail.example.com", "http://mail.example.com/dkim",
		"https://u:p@mail.example.com", "https://mail.example.com/?token=x", "https://mail.example.com:99999",
		"http://127.0.0.1.example.com/"} {
		c := Defaults()
		c.URL, c.Token = url, settings.Inline(token)
		_, err := signer.Config{Name: "hook", Settings: c}.Open()
		faulttest.Shown(t, err)
	}
	for url, want := range map[string]string{"https://mail.example.com/dkim/": "https://mail.example.com/dkim",
		"http://[::1]:8080": "http://[::1]:8080", "http://localhost/x": "http://localhost/x"} {
		c := Defaults()
		c.URL, c.Token = url, settings.Inline(token)
		if _, err := (signer.Config{Name: "hook", Settings: c}).Open(); err != nil || c.URL != want {
			t.Errorf("%s: %s, %v", url, c.URL, err)
		}
	}
	open := filepath.Join(t.TempDir(), "ca.pem") // who else can write it has the token sent elsewhere
	if err := errors.Join(os.WriteFile(open, nil, 0o600), os.Chmod(open, 0o666)); err != nil {
		t.Fatal(err)
	}
	for _, edit := range []func(*Config){
		func(c *Config) { c.Token = settings.Secret{} },
		func(c *Config) { c.Token = settings.Inline("two words") },
		func(c *Config) { c.CAFile = "/no/such/file" },
		func(c *Config) { c.CAFile = "/dev/null" },
		func(c *Config) { c.CAFile = open },
	} {
		c := Defaults()
		c.URL, c.Token = "https://mail.example.com/dkim", settings.Inline(token)
		edit(c)
		_, err := signer.Config{Name: "hook", Settings: c}.Open()
		faulttest.Shown(t, err)
	}
}
