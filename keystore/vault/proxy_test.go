package vault_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
)

// proxy stands between a store and a real Vault, counts the requests and can spoil them.
type proxy struct {
	URL string

	mu       sync.Mutex
	spoil    func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool
	requests []*http.Request
}

// between starts a proxy before srv.
func between(t testing.TB, srv *vaulttest.Server) *proxy {
	t.Helper()
	target, err := url.Parse(srv.Address)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{}
	forward := httputil.NewSingleHostReverseProxy(target)
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.requests = append(p.requests, r)
		spoil := p.spoil
		p.mu.Unlock()
		if spoil == nil || !spoil(w, r, forward) {
			forward.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(ts.Close)
	p.URL = ts.URL
	return p
}

// set makes f see every request from now on; it reports whether it has answered.
func (p *proxy) set(f func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spoil = f
}

// count returns how many requests of this method and path have come.
func (p *proxy) count(method, path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, r := range p.requests {
		if r.Method == method && r.URL.Path == path {
			n++
		}
	}
	return n
}

// poll waits until ok holds.
func poll(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
