package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cenkalti/backoff/v5"
)

// inbox is a web server that keeps what it is sent.
type inbox struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
	heads  []http.Header
	ways   []string
	status []int // of the next answers; 200 when there is none
	header http.Header
}

func newInbox(t testing.TB, status ...int) *inbox {
	b := &inbox{status: status, header: http.Header{}}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.bodies, b.heads, b.ways = append(b.bodies, string(body)), append(b.heads, r.Header),
			append(b.ways, r.Method+" "+r.URL.Path)
		for k, v := range b.header {
			w.Header()[k] = v
		}
		if len(b.status) > 0 {
			w.WriteHeader(b.status[0])
			b.status = b.status[1:]
		}
	}))
	t.Cleanup(b.Close)
	return b
}

// secretPath is what nobody may see.
const secretPath = "/T0/hunter2"

func (b *inbox) url() (string, error) { return b.URL + secretPath, nil }

func (b *inbox) docs(t testing.TB) []Document {
	b.mu.Lock()
	defer b.mu.Unlock()
	return documents(t, strings.Join(b.bodies, ""))
}

func (b *inbox) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.ways)
}

// TestWebhook: each event that is wanted is posted once as a document, in their
// order, and a failure that repeats is posted once.
func TestWebhook(t *testing.T) {
	b := newInbox(t)
	log, said := newLog()
	n := New(Config{Webhook: &Webhook{URL: b.url, On: []string{Failed, Rotated}, Timeout: time.Minute},
		By: "root@mail1", Log: log})
	for range 3 {
		n.Failed(failedAt, trouble)
	}
	refused := failedAt
	refused.Outcome = Refused
	n.Failed(refused, trouble) // not wanted
	finishSwitch(n)            // not wanted
	finishRotation(n)
	n.Command("rotate", "", errors.New("the state is lost"))
	n.Close()
	docs := b.docs(t)
	if len(docs) != 3 || docs[0].Event != Failed || docs[1].Event != Rotated || docs[2].Command != "rotate" {
		t.Fatalf("posted %v\n%s", b.bodies, said)
	}
	var fields map[string]any
	must(t, json.Unmarshal([]byte(b.bodies[0]), &fields))
	if fields["format_version"] != 1.0 || fields["at"] != "2026-03-01T03:00:00Z" || fields["domain"] != "example.com" ||
		fields["step"] != "activate" || fields["by"] != "root@mail1" ||
		fmt.Sprint(fields["error"]) != "map[hint:look at the signer's log kind:transient message:"+trouble.Error()+"]" {
		t.Errorf("posted %s", b.bodies[0])
	}
	if h := b.heads[0]; h.Get("Content-Type") != "application/json" || h.Get("User-Agent") != "dkimbot" ||
		b.ways[0] != "POST "+secretPath {
		t.Errorf("%s with %v", b.ways[0], h)
	}
}

// TestWebhookTriedAgain: the same document comes again after an answer that may
// pass, and does not after one that can't.
func TestWebhookTriedAgain(t *testing.T) {
	b := newInbox(t, 503)
	log, _ := newLog()
	n := New(Config{Webhook: &Webhook{URL: b.url, On: []string{Failed, Rotated}, Timeout: time.Minute}, Log: log})
	n.Failed(failedAt, trouble)
	n.Close()
	if docs := b.docs(t); len(docs) != 2 || docs[0].ID != docs[1].ID || docs[0].ID == "" {
		t.Errorf("posted %v", b.bodies)
	}
}

// TestAnswers: which answers are tried again, and that none of what is said about
// them holds the address (I9).
func TestAnswers(t *testing.T) {
	gone := &httptest.Server{URL: "http://127.0.0.1:1"}
	hangs := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then it is noticed that the client has gone
		<-r.Context().Done()
	}))
	t.Cleanup(hangs.Close)
	for title, c := range map[string]struct {
		status    int
		after     string
		server    *httptest.Server
		want      string
		permanent bool
		wait      time.Duration
	}{
		"no content": {status: 204},
		"gone":       {status: 404, want: "answers 404 Not Found", permanent: true},
		"redirect":   {status: 302, want: "answers 302 Found", permanent: true},
		"too many": {status: 429, after: "7", want: "answers 429 Too Many Requests, and asks to wait for 7s",
			wait: 7 * time.Second},
		"for ever": {status: 503, after: "9999999", want: "answers 503 Service Unavailable, and asks to wait for 1h",
			wait: time.Hour},
		"on a day":     {status: 503, after: "Fri, 31 Dec 2100 23:59:59 GMT", want: "answers 503 Service Unavailable"},
		"broken":       {status: 500, want: "answers 500 Internal Server Error"},
		"time-out":     {status: 408, want: "answers 408 Request Timeout"},
		"nobody there": {server: gone, want: "connect: connection refused"},
		"hangs":        {server: hangs, want: "no answer in time"},
	} {
		t.Run(title, func(t *testing.T) {
			b := newInbox(t, c.status)
			b.header.Set("Location", "/elsewhere")
			if c.after != "" {
				b.header.Set("Retry-After", c.after)
			}
			url := b.url
			if c.server != nil {
				url = func() (string, error) { return c.server.URL + secretPath, nil }
			}
			limit := time.Minute
			if c.server == hangs {
				limit = 500 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			err := request{newClient(), http.MethodPost, url}.send(ctx, Document{})
			if c.want == "" && err == nil {
				return
			}
			if err == nil || !strings.HasSuffix(err.Error(), c.want) || c.want == "" {
				t.Fatalf("got %v, want ...%s", err, c.want)
			}
			var lasting *backoff.PermanentError
			var later *backoff.RetryAfterError
			if got := errors.As(err, &lasting); got != c.permanent {
				t.Errorf("permanent: %t", got)
			}
			if errors.As(err, &later) != (c.wait > 0) || later != nil && later.Duration != c.wait {
				t.Errorf("retry after %v, want %v", later, c.wait)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("I9: %v", err)
			}
		})
	}
	for _, bad := range []string{"::hunter2", "https://", "http://[::1%25hunter2", "ftp://hunter2.example/"} {
		if err := (request{newClient(), http.MethodGet, func() (string, error) { return bad, nil }}).send(t.Context(),
			Document{}); err == nil || bad != "ftp://hunter2.example/" && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// TestHeartbeat: beats come now and then for as long as all is well, whatever
// became of those before.
func TestHeartbeat(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		t.Run(method, func(t *testing.T) {
			b := newInbox(t, 404)
			log, _ := newLog()
			n := New(Config{Heartbeat: &Heartbeat{URL: b.url, Method: method, Every: 20 * time.Millisecond,
				Timeout: time.Minute}, Log: log})
			ctx, cancel := context.WithCancel(t.Context())
			var mu sync.Mutex
			lives := true
			var beating sync.WaitGroup
			beating.Go(func() {
				n.Heartbeats(ctx, func() bool { mu.Lock(); defer mu.Unlock(); return lives })
			})
			eventually(t, "three beats", func() bool { return b.count() >= 3 })
			mu.Lock()
			lives = false
			mu.Unlock()
			cancel()
			beating.Wait()
			n.Close()
			last := b.count()
			if b.ways[0] != method+" "+secretPath || (b.bodies[last-1] == "") != (method == http.MethodGet) {
				t.Errorf("%s %q", b.ways[0], b.bodies[last-1])
			}
			if method == http.MethodPost && b.docs(t)[0].Event != heartbeat {
				t.Errorf("%s", b.bodies[0])
			}
		})
	}
}

// TestDeadHeart: a scheduler that does not live sends no heartbeat.
func TestDeadHeart(t *testing.T) {
	b := newInbox(t)
	log, _ := newLog()
	n := New(Config{Heartbeat: &Heartbeat{URL: b.url, Method: http.MethodGet, Every: time.Millisecond,
		Timeout: time.Minute}, Log: log})
	asked := make(chan bool)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for range 10 {
			<-asked
		}
		cancel()
	}()
	n.Heartbeats(ctx, func() bool {
		select {
		case asked <- true:
		case <-ctx.Done(): // once more, before that was noticed
		}
		return false
	})
	n.Close()
	if b.count() != 0 {
		t.Errorf("%d heartbeats", b.count())
	}
}
