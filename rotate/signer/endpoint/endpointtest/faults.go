package endpointtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Fault is what becomes of a request.
type Fault struct {
	Name   string
	After  bool // the service carries the request out before
	answer func(w http.ResponseWriter, of answer)
}

// answer is what the service would have said; nothing where it was not asked.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// Faults are those that every adapter of a service bears at each of its requests.
func Faults() (out []Fault) {
	says := func(status int, kind, body string, header ...string) func(http.ResponseWriter, answer) {
		return func(w http.ResponseWriter, _ answer) {
			w.Header().Set("Content-Type", kind)
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
			io.WriteString(w, body)
		}
	}
	const json, html = "application/json", "text/html"
	page := "<html><body><h1>It works</h1></body></html>"
	for _, after := range []bool{false, true} {
		name := func(what string) string {
			if after {
				return what + ", after it was done"
			}
			return what
		}
		out = append(out,
			Fault{name("429, at once again"), after, says(429, json, `{"message":"Too many requests"}`, "Retry-After", "0")},
			Fault{name("500"), after, says(500, json, `{"message":"internal error"}`)},
			Fault{name("502 of a proxy"), after, says(502, html, page)},
			Fault{name("503"), after, says(503, json, `{"message":"unavailable"}`, "Retry-After", "0")},
			Fault{name("cut off"), after, func(http.ResponseWriter, answer) { panic(http.ErrAbortHandler) }},
			Fault{name("not JSON"), after, says(200, html, page)},
			Fault{name("empty"), after, says(200, json, "")},
			Fault{name("no members"), after, says(200, json, "{}")},
			Fault{name("null"), after, says(200, json, "null")},
			Fault{name("a list"), after, says(200, json, "[]")})
	}
	return append(out,
		Fault{"half an answer", true, half},
		Fault{"half a document", true, func(w http.ResponseWriter, of answer) {
			of.body = of.body[:len(of.body)/2]
			of.write(w)
		}},
		Fault{"429 for an hour", false, says(429, json, `{}`, "Retry-After", "3600")},
		Fault{"the token has expired", false, says(401, json, `{"message":"token expired"}`)},
		Fault{"another account", false, says(403, json, `{"message":"forbidden"}`)},
		Fault{"gone", false, says(404, json, `{"message":"not found"}`)},
		Fault{"conflict", false, says(409, json, `{"message":"another change is in progress"}`)},
		Fault{"moved", false, says(301, html, "", "Location", "https://elsewhere.example/")},
		Fault{"bad request", false, says(400, json, `{"message":"the domain is not verified"}`)})
}

// half ends the connection in the middle of the answer.
func half(w http.ResponseWriter, of answer) {
	w.Header().Set("Content-Length", fmt.Sprint(len(of.body)+10))
	of.write(w)
	panic(http.ErrAbortHandler)
}

func (a answer) write(w http.ResponseWriter) {
	for name, values := range a.header {
		if name != "Content-Length" {
			w.Header()[name] = values
		}
	}
	w.WriteHeader(a.status)
	w.Write(a.body)
}

// Between is a proxy in front of a service.
type Between struct {
	*httptest.Server
	to *httptest.Server

	mu    sync.Mutex
	n     int   // requests since the fault was set
	fault Fault // what becomes
	from  int   // of request number from,
	until int   // to the one before until
}

// Stand puts itself in front of a service: its URL is then the proxy's.
func Stand(t testing.TB, service *httptest.Server) *Between {
	b := &Between{to: &httptest.Server{URL: service.URL}}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	service.URL = b.URL
	return b
}

// Set sets what becomes of requests, counted from 1 from now on, and returns how many there were since the last Set.
func (b *Between) Set(f Fault, from, until int) (before int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before, b.n, b.fault, b.from, b.until = b.n, 0, f, from, until
	return before
}

// ServeHTTP passes a request on, or does to it what was set.
func (b *Between) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.n++
	fault, hit := b.fault, b.n >= b.from && b.n < b.until
	b.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if hit && !fault.After {
		fault.answer(w, answer{})
		return
	}
	got, err := b.pass(r, body)
	switch {
	case err != nil:
		panic(http.ErrAbortHandler)
	case hit:
		fault.answer(w, got)
	default:
		got.write(w)
	}
}

func (b *Between) pass(r *http.Request, body []byte) (answer, error) {
	req, err := http.NewRequestWithContext(r.Context(), r.Method, b.to.URL+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header = r.Header.Clone()
	req.Header.Del("Accept-Encoding")
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header, said}, err
}

// readable is a text on one line, as what is looked for in it stands there.
func readable(text string) string { return strings.Join(strings.Fields(text), "") }
