package vault_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Variables that would steer or weaken the connection are refused by name, whatever
// the configuration says.
func TestRefusedEnvironment(t *testing.T) {
	for name, value := range map[string]string{
		"VAULT_SKIP_VERIFY": "true", "VAULT_TLS_SERVER_NAME": "vault.example.com", "VAULT_PROXY_ADDR": "http://127.0.0.1:1",
		"VAULT_HTTP_PROXY": "http://127.0.0.1:1", "VAULT_SRV_LOOKUP": "1", "VAULT_HEADERS": `{"X-Forwarded-For":"x"}`,
		"VAULT_CAPATH": "/etc/ssl/certs", "VAULT_CACERT_BYTES": "x",
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			_, err := vault.New(t.Context(), vault.Config{Address: "https://127.0.0.1:1", Auth: token("x")})
			wantFault(t, err, fault.Permanent, "", "unset "+name)
			if !strings.Contains(fmt.Sprint(err), name) {
				t.Errorf("the error does not name it: %v", err)
			}
		})
	}
	t.Run("nonsense", func(t *testing.T) {
		t.Setenv("VAULT_SKIP_VERIFY", "perhaps")
		_, err := vault.New(t.Context(), vault.Config{Address: "https://127.0.0.1:1", Auth: token("x")})
		wantFault(t, err, fault.Permanent, "", "unset VAULT_SKIP_VERIFY")
	})
}

// What says no to weakness, or nothing about whom to trust, does not get between.
func TestHarmlessEnvironment(t *testing.T) {
	srv := vaulttest.StartTLS(t)
	for name, value := range map[string]string{
		"VAULT_SKIP_VERIFY": "false", "VAULT_SRV_LOOKUP": "0", "VAULT_CAPATH": t.TempDir(), // the configuration names a CA
		"VAULT_RATE_LIMIT": "0.0001:1", "VAULT_CLIENT_TIMEOUT": "1", "VAULT_MAX_RETRIES": "0",
		"VAULT_AGENT_ADDR": "http://127.0.0.1:1",
	} {
		t.Setenv(name, value)
	}
	ks := open(t, rootConfig(srv))
	wantKey(t, ks, 0, put(t, ks, 0), 1)
}

// I9: no redirect is followed, so nobody else gets the token, a login's secret or a key;
// nor is its empty answer taken for a missing key.
func TestRedirects(t *testing.T) {
	var stolen atomic.Int64
	thief := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		stolen.Add(1)
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"data":{},"auth":{"client_token":"hvs.stub","lease_duration":3600}}`)
	}))
	defer thief.Close()
	srv := vaulttest.Start(t)
	p := between(t, srv)
	here := strings.TrimPrefix(p.URL, "http://")
	for _, code := range []int{301, 302, 303, 307, 308} {
		for title, location := range map[string]string{
			"another port": thief.URL + "/v1/x", "another scheme": "https://" + here + "/v1/x",
			"no scheme": strings.TrimPrefix(thief.URL, "http:") + "/v1/x",
			"nowhere":   "", "itself": p.URL + "/v1/secret/data/dkim/example.com/s1",
		} {
			for how, auth := range map[string]vault.Auth{"token": token(srv.RootToken),
				"approle": vault.AppRole{RoleID: fixed("r"), SecretID: fixed("s")}} {
				t.Run(fmt.Sprint(how, " ", code, " to ", title), func(t *testing.T) {
					p.set(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
						if location != "" {
							w.Header().Set("Location", location)
						}
						w.WriteHeader(code)
						return true
					})
					cfg := rootConfig(srv)
					cfg.Address, cfg.Auth, cfg.Timeout = p.URL, auth, time.Minute
					ks := open(t, cfg)
					if key, version, err := ks.Get(t.Context(), name, 0); err == nil {
						t.Errorf("Get = %v, %d", key, version)
					}
					if _, err := ks.Put(t.Context(), name, generate(t), 1); err == nil {
						t.Error("Put did")
					}
					if err := ks.Destroy(t.Context(), name, 1); err == nil {
						t.Error("Destroy did")
					}
				})
			}
		}
	}
	if n := stolen.Load(); n > 0 {
		t.Errorf("another server was asked %d times", n)
	}
	p.set(func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		w.Header().Set("Location", "https://vault-2.example.com:8200/v1/x?y")
		w.WriteHeader(http.StatusTemporaryRedirect)
		return true
	})
	cfg := rootConfig(srv)
	cfg.Address = p.URL
	_, _, err := open(t, cfg).Get(t.Context(), name, 0)
	wantFault(t, err, fault.Permanent, "", "keystore.address")
	if !strings.Contains(fmt.Sprint(err), "https://vault-2.example.com:8200") {
		t.Errorf("the error does not say where: %v", err)
	}
}

// Tokens and keys on their way to a server without TLS pass no proxy. Go reads the
// variables once in the life of a process, so this takes one of its own.
func TestProxyOfTheEnvironment(t *testing.T) {
	const address = "DKIMBOT_TEST_ADDRESS"
	if os.Getenv(address) != "" {
		cfg := vault.Config{Address: os.Getenv(address), Auth: token("x"), Timeout: time.Minute}
		if _, _, err := open(t, cfg).Get(t.Context(), name, 0); err == nil {
			t.Error("a server that does not exist has answered")
		}
		return
	}
	var asked atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusNotImplemented)
	}))
	defer proxy.Close()
	for scheme, want := range map[string]bool{"http": false, "https": true} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestProxyOfTheEnvironment$")
		cmd.Env = append(os.Environ(), address+"="+scheme+"://vault.invalid:8200", "HTTP_PROXY="+proxy.URL, "HTTPS_PROXY="+
			proxy.URL, "NO_PROXY=")
		asked.Store(0)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if got := asked.Load() > 0; got != want {
			t.Errorf("with %s the proxy was asked: %v, want %v", scheme, got, want)
		}
	}
}
