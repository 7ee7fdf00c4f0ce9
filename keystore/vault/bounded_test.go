package vault_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// TestEndlessAnswer guards memory: an answer that does not end is given up after a MiB, whatever its
// status, and told.
func TestEndlessAnswer(t *testing.T) {
	for _, code := range []int{http.StatusOK, http.StatusForbidden} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			var sent atomic.Int64
			endless := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.WriteHeader(code)
				io.WriteString(w, `{"data":{"x":"`)
				block := []byte(strings.Repeat("a", 1<<16))
				for range 1 << 11 { // 128 MiB, were all of it read
					n, err := w.Write(block)
					if sent.Add(int64(n)); err != nil {
						return
					}
				}
			})
			ts := httptest.NewServer(endless)
			defer ts.Close()
			ks := open(t, vault.Config{Address: ts.URL, Auth: token("x")})
			_, _, err := ks.Get(t.Context(), name, 0)
			wantFault(t, err, fault.Transient, "", "leads to Vault")
			if !strings.Contains(fmt.Sprint(err), "larger than 1 MiB") {
				t.Error(err)
			}
			ts.CloseClientConnections()
			if got := sent.Load(); got > 64<<20 { // the buffers of the connections included
				t.Errorf("%d octets were taken", got)
			}
		})
	}
}

// TestBodyComesLater guards I6: a proxy may pass an answer's body on a moment after its head. What Vault has
// stored is known as stored.
func TestBodyComesLater(t *testing.T) {
	srv := vaulttest.Start(t)
	p := between(t, srv)
	p.set(func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool {
		forward.ServeHTTP(&parted{ResponseWriter: w}, r)
		return true
	})
	cfg := rootConfig(srv)
	cfg.Address = p.URL
	ks := open(t, cfg)
	wantKey(t, ks, 0, put(t, ks, 0), 1)
	if err := ks.Destroy(t.Context(), name, 1); err != nil {
		t.Error(err)
	}
}

// parted sends the head of an answer at once, and the body after a while.
type parted struct {
	http.ResponseWriter
	once sync.Once
}

func (w *parted) Write(b []byte) (int, error) {
	w.once.Do(func() {
		w.ResponseWriter.(http.Flusher).Flush()
		time.Sleep(20 * time.Millisecond) // what a proxy takes
	})
	return w.ResponseWriter.Write(b)
}

// TestSocketAnswers: a Vault at a UNIX socket is asked there.
func TestSocketAnswers(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "vault.sock")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	ts := &httptest.Server{Listener: ln,
		Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked.Add(1)
			http.Error(w, `{"errors":["permission denied"]}`, http.StatusForbidden)
		})}}
	ts.Start()
	defer ts.Close()
	ks := open(t, vault.Config{Address: "unix://" + socket, Auth: token("x")})
	if _, _, err := ks.Get(t.Context(), name, 0); err == nil || asked.Load() == 0 {
		t.Fatalf("%v, asked %d times", err, asked.Load())
	}
}
