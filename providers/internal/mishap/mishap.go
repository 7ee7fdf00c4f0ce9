// Package mishap makes an HTTP service misbehave as a test says. It is for
// the fakes beside it.
package mishap

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
)

// Kind is a way to misbehave.
type Kind int

// The ways to misbehave.
const (
	Throttle  Kind = iota + 1 // refuse in the service's own words, nothing done
	HTML502                   // answer as a proxy without a service behind it, nothing done
	Lost                      // do it, then cut the connection instead of answering
	Failed                    // do it, then answer 500 in the service's own words
	Hang                      // do nothing and don't answer until the client has gone
	HangAfter                 // do it, and don't answer until the client has gone
)

// Mishap happens to one request.
type Mishap struct {
	Kind   Kind
	Method string // only a request with this method; "" for any
}

// Queue holds the mishaps to come. The zero Queue has none. It is safe for concurrent use.
type Queue struct {
	mu   sync.Mutex
	next []Mishap
}

// Add queues mishaps; each happens once, in turn, to the first request that fits.
func (q *Queue) Add(m ...Mishap) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next = append(q.next, m...)
}

// Left returns how many mishaps are still to come.
func (q *Queue) Left() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.next)
}

func (q *Queue) take(method string) Kind {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.next) == 0 || q.next[0].Method != "" && q.next[0].Method != method {
		return 0
	}
	k := q.next[0].Kind
	q.next = q.next[1:]
	return k
}

// Wrap returns service with the queue's mishaps. throttled and failed answer
// in the service's own words.
func (q *Queue) Wrap(service, throttled, failed http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		unseen := httptest.NewRecorder()
		switch q.take(r.Method) {
		case Throttle:
			throttled(w, r)
		case HTML502:
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(http.StatusBadGateway)
			w.Write([]byte("<html><head><title>502 Bad Gateway</title></head></html>\n"))
		case Lost:
			service(unseen, r)
			panic(http.ErrAbortHandler)
		case Failed:
			service(unseen, r)
			failed(w, r)
		case Hang:
			<-r.Context().Done()
		case HangAfter:
			service(unseen, r)
			<-r.Context().Done()
		default:
			service(w, r)
		}
	})
}

// Client returns an HTTP client that calls the handler without a network, so
// that tests in virtual time can use it.
func Client(h http.Handler) *http.Client { return &http.Client{Transport: transport{h}} }

type transport struct{ handler http.Handler }

func (t transport) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler {
			resp, err = nil, errors.New("connection reset by peer")
		} else if p != nil {
			panic(p)
		}
	}()
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	t.handler.ServeHTTP(w, r)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}
