package vault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// wantAll wants the same fault from all three methods.
func wantAll(t *testing.T, ks *vault.Store, kind fault.Kind, code codes.Code, hint string) {
	t.Helper()
	_, _, err := ks.Get(t.Context(), name, 0)
	wantFault(t, err, kind, code, hint)
	_, err = ks.Put(t.Context(), name, generate(t), 0)
	wantFault(t, err, kind, code, hint)
	wantFault(t, ks.Destroy(t.Context(), name, 1), kind, code, hint)
}

func TestSealedInTheMiddle(t *testing.T) {
	t.Parallel()
	srv := vaulttest.Start(t)
	ks := open(t, rootConfig(srv))
	key := put(t, ks, 0)
	srv.Seal(t)
	wantAll(t, ks, fault.Transient, "vault-sealed", "vault operator unseal")
	wantAll(t, open(t, rootConfig(srv)), fault.Transient, "vault-sealed", "vault operator unseal")
	srv.Unseal(t)
	wantKey(t, ks, 0, key, 1) // the same store continues
	put(t, ks, 1)
}

func TestUnreachable(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	ks := open(t, vault.Config{Address: "http://" + ln.Addr().String(), Auth: token("x")})
	wantAll(t, ks, fault.Transient, "unreachable", "check that Vault runs")
}

func TestForbidden(t *testing.T) {
	srv := vaulttest.Start(t)
	cfg := rootConfig(srv)
	cfg.Auth = token(srv.Token(t, api.TokenCreateRequest{Policies: []string{"default"}}))
	wantAll(t, open(t, cfg), fault.Permanent, "vault-forbidden", "rotator.hcl")
}

func TestWrongMount(t *testing.T) {
	srv := vaulttest.Start(t)
	srv.Mount(t, "old", "1")
	for mount, hint := range map[string]string{
		"nosuch":    "vault secrets enable -path=nosuch -version=2 kv",
		"old":       "vault secrets enable -path=old -version=2 kv",
		"cubbyhole": "set keystore.mount to a KV version 2 engine",
		"sys":       "set keystore.mount to a KV version 2 engine",
	} {
		t.Run(mount, func(t *testing.T) {
			cfg := rootConfig(srv)
			cfg.Mount = mount
			wantAll(t, open(t, cfg), fault.Permanent, "vault-mount", hint)
		})
	}
	// Without the right to look, a mount that does not exist can't be told from one that is closed.
	cfg := rootConfig(srv)
	cfg.Mount = "nosuch"
	policy := srv.Policy(t, "one", `path "secret/data/dkim/*" { capabilities = ["read"] }`)
	cfg.Auth = token(srv.Token(t, api.TokenCreateRequest{Policies: []string{policy}}))
	wantAll(t, open(t, cfg), fault.Permanent, "vault-forbidden", "keystore.mount (nosuch)")

	if s, err := srv.Root().Logical().List("old/data"); err != nil || s != nil {
		t.Errorf("the version 1 engine now holds %v, %v", s, err)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	srv, other := vaulttest.StartTLS(t), vaulttest.StartTLS(t)
	ks := open(t, rootConfig(srv))
	wantKey(t, ks, 0, put(t, ks, 0), 1)

	for title, c := range map[string]struct{ address, ca, hint string }{
		"system's authorities": {srv.Address, "", "keystore.ca_file"},
		"another authority":    {srv.Address, other.CAFile, "keystore.ca_file"},
		"name not in certificate": {strings.Replace(srv.Address, "127.0.0.1", "localhost", 1), srv.CAFile,
			"keystore.address"},
		"http to an https server": {strings.Replace(srv.Address, "https", "http", 1), srv.CAFile, "https://"},
		"https to an http server": {strings.Replace(vaulttest.Start(t).Address, "http", "https", 1), srv.CAFile, "http://"},
	} {
		t.Run(title, func(t *testing.T) {
			wantAll(t, open(t, vault.Config{Address: c.address, CAFile: c.ca, Prefix: "dkim", Auth: token(srv.RootToken)}),
				fault.Permanent, "", c.hint)
		})
	}
}

// Whatever hangs, a call ends: at the time limit, or when the caller gives up.
func TestHanging(t *testing.T) {
	t.Parallel()
	srv := vaulttest.Start(t)
	p := between(t, srv)
	cfg := rootConfig(srv)
	cfg.Address = p.URL
	key := put(t, open(t, cfg), 0)
	cfg.Timeout = 3 * time.Second
	ks := open(t, cfg)
	reads := func() bool {
		got, v, err := ks.Get(t.Context(), name, 0)
		return err == nil && v == 1 && got.ID() == key.ID()
	}
	poll(t, "it has logged in", reads)
	release := make(chan struct{})
	p.set(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		io.Copy(io.Discard, r.Body) // so that the server notices when the client goes
		select {
		case <-release:
		case <-r.Context().Done():
		}
		return true
	})
	defer close(release)
	start := time.Now()
	wantAll(t, ks, fault.Transient, "unreachable", "")
	if d := time.Since(start); d > time.Minute {
		t.Errorf("three hanging calls took %s", d)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, _, err := ks.Get(ctx, name, 0)
	faulttest.Shown(t, err)
	if !errors.Is(err, context.Canceled) || fault.KindOf(err) != fault.Transient {
		t.Errorf("cancelled while hanging: %v", err)
	}
	p.set(nil)
	poll(t, "it answers again", reads)
}

// I7: an answer that was lost leaves the caller in doubt, not in error: it is told so,
// nothing is sent twice, and looking again shows the key.
func TestLostAnswer(t *testing.T) {
	srv := vaulttest.Start(t)
	p := between(t, srv)
	cfg := rootConfig(srv)
	cfg.Address = p.URL
	ks := open(t, cfg)
	put(t, ks, 0)
	after := 1
	for _, lost := range []struct {
		title  string
		code   codes.Code
		answer func(http.ResponseWriter)
	}{
		{"connection lost", codes.Unreachable, func(http.ResponseWriter) { panic(http.ErrAbortHandler) }},
		{"bad gateway", "", func(w http.ResponseWriter) { http.Error(w, "<html>bad gateway</html>", http.StatusBadGateway) }},
		{"no answer of Vault's", "", func(w http.ResponseWriter) { fmt.Fprint(w, "<html>please log in</html>") }},
		{"empty answer", "", func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }},
	} {
		t.Run(lost.title, func(t *testing.T) {
			p.set(func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool {
				if r.Method != http.MethodPut {
					return false
				}
				forward.ServeHTTP(httptest.NewRecorder(), r) // Vault does what is asked
				lost.answer(w)
				return true
			})
			before := p.count(http.MethodPut, "/v1/secret/data/dkim/example.com/s1")
			key := generate(t)
			_, err := ks.Put(t.Context(), name, key, after)
			wantFault(t, err, fault.Transient, lost.code, "may have been stored")
			if n := p.count(http.MethodPut, "/v1/secret/data/dkim/example.com/s1") - before; n != 1 {
				t.Errorf("the write was sent %d times", n)
			}
			p.set(nil)
			wantKey(t, ks, 0, key, after+1)
			_, err = ks.Put(t.Context(), name, generate(t), after)
			wantFault(t, err, fault.Transient, codes.VersionConflict, "look again")
			put(t, ks, after+1)
			after += 2
		})
	}
}

// I4: what is read back is not what was written.
func TestReadBack(t *testing.T) {
	srv := vaulttest.Start(t)
	p := between(t, srv)
	cfg := rootConfig(srv)
	cfg.Address = p.URL
	ks := open(t, cfg)
	put(t, ks, 0)
	p.set(func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool {
		if r.URL.RawQuery == "version=2" {
			r.URL.RawQuery = "version=1"
		}
		return false
	})
	_, err := ks.Put(t.Context(), name, generate(t), 1)
	wantFault(t, err, fault.Permanent, codes.DamagedKey, "version")

	p.set(func(w http.ResponseWriter, r *http.Request, forward http.Handler) bool {
		if r.URL.RawQuery == "version=3" {
			panic(http.ErrAbortHandler)
		}
		return false
	})
	_, err = ks.Put(t.Context(), name, generate(t), 2)
	wantFault(t, err, fault.Transient, "unreachable", "may have been stored")
}

// Reads are tried again on a bad connection and on a bad moment.
func TestReadsAreRetried(t *testing.T) {
	srv := vaulttest.Start(t)
	p := between(t, srv)
	cfg := rootConfig(srv)
	cfg.Address = p.URL
	ks := open(t, cfg)
	key := put(t, ks, 0)
	for title, spoil := range map[string]func(http.ResponseWriter){
		"connection lost": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"500": func(w http.ResponseWriter) {
			http.Error(w, `{"errors":["internal error"]}`, http.StatusInternalServerError)
		},
		"502": func(w http.ResponseWriter) { http.Error(w, "<html>bad gateway</html>", http.StatusBadGateway) },
	} {
		t.Run(title, func(t *testing.T) {
			var spoilt atomic.Int64
			p.set(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
				if spoilt.Add(1) > 2 {
					return false
				}
				spoil(w)
				return true
			})
			wantKey(t, ks, 0, key, 1)
		})
	}
}

// I9: a server or proxy that repeats what it was sent puts no secret into an error.
func TestEchoingServer(t *testing.T) {
	for title, echo := range map[string]func(w http.ResponseWriter, code int, secrets string){
		"page": func(w http.ResponseWriter, code int, secrets string) {
			w.WriteHeader(code)
			fmt.Fprintf(w, "<html>your request was: %s</html>", secrets)
		},
		"message": func(w http.ResponseWriter, code int, secrets string) {
			w.WriteHeader(code)
			json.NewEncoder(w).Encode(map[string]any{"errors": []string{"could not handle " + secrets, secrets}})
		},
	} {
		for _, code := range []int{400, 401, 403, 404, 405, 418, 500, 503} {
			t.Run(fmt.Sprint(title, code), func(t *testing.T) {
				const tokenText = "hvs.CAESIJ0kfu3dGvOaHqQ2"
				ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					body, _ := io.ReadAll(r.Body)
					if strings.HasPrefix(r.URL.Path, "/v1/auth/token/lookup-self") {
						fmt.Fprint(w, `{"data":{"ttl":0,"renewable":false}}`)
						return
					}
					echo(w, code, r.Header.Get("X-Vault-Token")+" "+string(body))
				}))
				defer ts.Close()
				ks := open(t, vault.Config{Address: ts.URL, Auth: token(tokenText)})
				key := generate(t)
				middle := strings.Split(string(key.PEM()), "\n")[1]
				_, err := ks.Put(t.Context(), name, key, 0)
				if err == nil {
					t.Fatal("no error")
				}
				text := fmt.Sprintf("%v %+v %s", err, err, fault.HintOf(err))
				for e := err; e != nil; e = errors.Unwrap(e) {
					text += fmt.Sprintf(" %#v", e)
				}
				for _, secret := range []string{"<html>", middle[:20], middle[len(middle)-20:], tokenText, tokenText[4:]} {
					if strings.Contains(text, secret) {
						t.Errorf("the error shows %q: %s", secret, text)
					}
				}
			})
		}
	}
}

// I9: what dkimbot showed to Vault is in no error, whatever it looks like: a short token, a secret id in
// another case, and in what is no message of Vault's.
func TestEchoedCredentials(t *testing.T) {
	for title, c := range map[string]struct {
		auth   vault.Auth
		secret string
	}{
		"token":       {token("s.TOPSECRET"), "TOPSECRET"},
		"short token": {token("hunter2"), "hunter2"},
		"with signs":  {token("a/b+c$d(e)[f]"), "c$d(e)"},
		"secret id":   {vault.AppRole{RoleID: fixed("role"), SecretID: fixed("3f-Secret-ID")}, "3f-secret"},
	} {
		for how, answer := range map[string]func(w http.ResponseWriter, said string){
			"message": func(w http.ResponseWriter, said string) {
				w.WriteHeader(http.StatusForbidden)
				json.NewEncoder(w).Encode(map[string]any{"errors": []string{"denied for " + said + ".", strings.ToUpper(said)}})
			},
			"engine": func(w http.ResponseWriter, said string) {
				json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"type": said},
					"auth": map[string]any{"client_token": said}})
			},
		} {
			t.Run(title+", "+how, func(t *testing.T) {
				ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					said := r.Header.Get("X-Vault-Token")
					if body, _ := io.ReadAll(r.Body); said == "" {
						var login struct {
							SecretID string `json:"secret_id"`
						}
						json.Unmarshal(body, &login)
						said = login.SecretID
					}
					answer(w, said)
				}))
				defer ts.Close()
				if how == "engine" && title == "short token" {
					return // our own words may hold it by chance
				}
				_, _, err := open(t, vault.Config{Address: ts.URL, Auth: c.auth}).Get(t.Context(), name, 0)
				if err == nil {
					t.Fatal("no error")
				}
				text := strings.ToLower(fmt.Sprint(err, fault.HintOf(err)))
				for e := err; e != nil; e = errors.Unwrap(e) {
					text += strings.ToLower(fmt.Sprintf(" %#v", e))
				}
				if strings.Contains(text, strings.ToLower(c.secret)) {
					t.Errorf("the error shows %q: %s", c.secret, text)
				}
			})
		}
	}
}

// An answer is reported as what it is: that Vault limits requests, however long it wants to be left alone,
// and that it names no engine.
func TestAnswersAreReported(t *testing.T) {
	for title, c := range map[string]struct {
		code int
		body string
		want string
	}{
		"limit": {http.StatusTooManyRequests, `{"errors":["request path: rate limit quota exceeded"]}`,
			"answer 429 from Vault: request path: rate limit quota exceeded"},
		"null":    {http.StatusOK, `null`, "the answer is not understood"},
		"no data": {http.StatusOK, `{"data":null}`, "the answer is not understood"},
		"number":  {http.StatusOK, `{"data":{"type":7}}`, "the answer is not understood"},
	} {
		t.Run(title, func(t *testing.T) {
			ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/v1/auth/token/lookup-self") {
					fmt.Fprint(w, `{"data":{"ttl":0,"renewable":false}}`)
					return
				}
				w.Header().Set("Retry-After", "999999999")
				w.WriteHeader(c.code)
				io.WriteString(w, c.body)
			}))
			defer ts.Close()
			_, _, err := open(t, vault.Config{Address: ts.URL, Auth: token("hunter22"),
				Timeout: 10 * time.Second}).Get(t.Context(), name, 0)
			if err == nil || fault.KindOf(err) != fault.Transient || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// What is no Vault answers in its own way.
func TestNoVault(t *testing.T) {
	for title, handler := range map[string]http.Handler{
		"not found": http.NotFoundHandler(),
		"a page": http.HandlerFunc(func(w http.ResponseWriter,
			_ *http.Request) {
			io.WriteString(w, "<html>Welcome</html>")
		}),
	} {
		t.Run(title, func(t *testing.T) {
			ts := httptest.NewServer(handler)
			defer ts.Close()
			_, err := open(t, vault.Config{Address: ts.URL, Auth: token("x")}).Put(t.Context(), name, generate(t), 0)
			faulttest.Shown(t, err)
		})
	}
	_, _, err := open(t, vault.Config{Address: "http://127.0.0.1:1", Auth: vault.Token{}}).Get(t.Context(), name, 0)
	faulttest.Shown(t, err)
}
