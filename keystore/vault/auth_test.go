package vault_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

const (
	loginPath = "/v1/auth/approle/login"
	renewPath = "/v1/auth/token/renew-self"
)

// appRole returns a server, a proxy before it and the configuration of a store that
// logs in there by AppRole.
func appRole(t *testing.T, role vaulttest.Role) (*vaulttest.Server, *proxy, vault.Config) {
	t.Helper()
	srv := vaulttest.Start(t)
	role.Policies = []string{srv.Policy(t, "rotator", policy(t, "rotator.hcl"))}
	roleID, secretID := srv.AppRole(t, "dkimbot", role)
	p := between(t, srv)
	cfg := rootConfig(srv)
	cfg.Address = p.URL
	cfg.Auth = vault.AppRole{RoleID: fixed(roleID), SecretID: fixed(secretID + "\n")}
	return srv, p, cfg
}

func TestAppRole(t *testing.T) {
	_, p, cfg := appRole(t, vaulttest.Role{TTL: time.Hour, SecretUses: 1})
	ks := open(t, cfg)
	key := put(t, ks, 0)
	wantKey(t, ks, 0, key, 1)
	if n := p.count("PUT", loginPath); n != 1 {
		t.Errorf("%d logins for two calls", n)
	}
	// The one use is used up.
	wantAll(t, open(t, cfg), fault.Permanent, "vault-login", "make a new secret id")
}

// A token is renewed before it expires, also while nobody uses it, without another login.
func TestRenewal(t *testing.T) {
	t.Parallel()
	_, p, cfg := appRole(t, vaulttest.Role{TTL: 8 * time.Second, MaxTTL: time.Hour, SecretUses: 1})
	ks := open(t, cfg)
	key := put(t, ks, 0)
	poll(t, "the token is renewed three times", func() bool { return p.count("PUT", renewPath) >= 3 })
	wantKey(t, ks, 0, key, 1) // one use: a second login would have failed
	if n := p.count("PUT", loginPath); n != 1 {
		t.Errorf("%d logins", n)
	}
}

// Renewing ends at the maximum lifetime. The next login comes while the old token still
// lives, so that no call is caught by its end.
func TestMaximumLifetime(t *testing.T) {
	t.Parallel()
	srv, p, cfg := appRole(t, vaulttest.Role{TTL: 12 * time.Second, MaxTTL: 24 * time.Second})
	var current atomic.Value
	p.set(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		old := current.Load()
		if r.URL.Path == loginPath && old != nil {
			if _, err := srv.Root().Auth().Token().Lookup(old.(string)); err != nil {
				t.Errorf("the old token is dead at the next login: %v", err)
			}
		} else if token := r.Header.Get("X-Vault-Token"); token != "" {
			current.Store(token)
		}
		return false
	})
	ks := open(t, cfg)
	key := put(t, ks, 0)
	poll(t, "two logins", func() bool {
		wantKey(t, ks, 0, key, 1)
		return t.Failed() || p.count("PUT", loginPath) >= 2
	})
	if n := p.count("PUT", renewPath); n == 0 || n > 10 {
		t.Errorf("%d renewals", n)
	}
}

// A token that nothing can renew is replaced in time.
func TestTokenThatIsNotRenewable(t *testing.T) {
	t.Parallel()
	_, p, cfg := appRole(t, vaulttest.Role{TTL: 8 * time.Second, MaxTTL: 8 * time.Second})
	ks := open(t, cfg)
	key := put(t, ks, 0)
	poll(t, "two logins", func() bool {
		wantKey(t, ks, 0, key, 1)
		return t.Failed() || p.count("PUT", loginPath) >= 2
	})
}

// A token that was revoked is replaced once, however many calls find out together.
func TestRevokedToken(t *testing.T) {
	srv, p, cfg := appRole(t, vaulttest.Role{TTL: time.Hour})
	var seen sync.Map
	p.set(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if token := r.Header.Get("X-Vault-Token"); token != "" {
			seen.Store(token, true)
		}
		return false
	})
	ks := open(t, cfg)
	key := put(t, ks, 0)
	seen.Range(func(token, _ any) bool { srv.Revoke(t, token.(string)); return true })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { wantKey(t, ks, 0, key, 1) })
	}
	wg.Wait()
	put(t, ks, 1)
	if n := p.count("PUT", loginPath); n != 2 {
		t.Errorf("%d logins, want one before and one after", n)
	}
}

// A token that lives but may not is not replaced: that would not help.
func TestForbiddenIsNoReasonToLogIn(t *testing.T) {
	_, p, cfg := appRole(t, vaulttest.Role{TTL: time.Hour})
	cfg.Prefix = "elsewhere"
	ks := open(t, cfg)
	for range 3 {
		_, _, err := ks.Get(t.Context(), name, 0)
		wantFault(t, err, fault.Permanent, "vault-forbidden", "rotator.hcl")
	}
	if n := p.count("PUT", loginPath); n != 1 {
		t.Errorf("%d logins", n)
	}
}

// Close gives back the token that the store logged in for, and only that.
func TestClose(t *testing.T) {
	srv, p, cfg := appRole(t, vaulttest.Role{TTL: time.Hour})
	var own atomic.Value
	p.set(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		own.Store(r.Header.Get("X-Vault-Token"))
		return false
	})
	ks := open(t, cfg)
	put(t, ks, 0)
	for range 2 {
		if err := ks.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := p.count("PUT", "/v1/auth/token/revoke-self"); n != 1 {
		t.Errorf("the token was given back %d times", n)
	}
	if _, err := srv.Client(t, own.Load().(string)).Auth().Token().LookupSelf(); err == nil {
		t.Error("the token still lives")
	}
	if _, _, err := ks.Get(t.Context(), name, 0); err == nil {
		t.Error("a closed store reads")
	}
	given := srv.Token(t, api.TokenCreateRequest{Policies: []string{"rotator"}})
	cfg.Auth = token(given)
	ks = open(t, cfg)
	put(t, ks, 1)
	ks.Close()
	if _, err := srv.Client(t, given).Auth().Token().LookupSelf(); err != nil {
		t.Errorf("the operator's token is gone: %v", err)
	}
}

// Whoever shuts down may finish what is under way: the context given to New ends the
// background work alone.
func TestContextEndsOnlyBackground(t *testing.T) {
	_, _, cfg := appRole(t, vaulttest.Role{TTL: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	ks, err := vault.New(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer ks.Close()
	cancel()
	wantKey(t, ks, 0, put(t, ks, 0), 1)
}

// Many callers find Vault hanging at the login together: each is told after one time
// limit or two, not one after the other.
func TestHangingLoginIsShared(t *testing.T) {
	_, p, cfg := appRole(t, vaulttest.Role{TTL: time.Hour})
	cfg.Timeout = 3 * time.Second
	p.set(func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		return true
	})
	ks := open(t, cfg)
	start := time.Now()
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			_, _, err := ks.Get(t.Context(), name, 0)
			wantFault(t, err, fault.Transient, "unreachable", "tries again by itself")
		})
	}
	wg.Wait()
	if d := time.Since(start); d > 10*cfg.Timeout {
		t.Errorf("16 callers took %s", d)
	}
}

// Secrets are read at every login, so a file that was renewed is seen without a restart.
func TestRenewedFiles(t *testing.T) {
	t.Parallel()
	srv := vaulttest.Start(t)
	rotator := []string{srv.Policy(t, "rotator", policy(t, "rotator.hcl"))}
	file := filepath.Join(t.TempDir(), "secret")
	write := func(secret string) {
		if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func() (string, error) { data, err := os.ReadFile(file); return string(data), err }

	t.Run("token", func(t *testing.T) {
		first := srv.Token(t, api.TokenCreateRequest{Policies: rotator})
		write(first)
		cfg := rootConfig(srv)
		cfg.Auth = vault.Token{Token: read}
		ks := open(t, cfg)
		key := put(t, ks, 0)
		srv.Revoke(t, first)
		_, _, err := ks.Get(t.Context(), name, 0)
		wantFault(t, err, fault.Permanent, "vault-login", "make a new one")
		write(srv.Token(t, api.TokenCreateRequest{Policies: rotator}))
		wantKey(t, ks, 0, key, 1)
		os.Remove(file)
		wantAll(t, open(t, cfg), fault.Permanent, "", "keystore.auth")
		for _, bad := range []string{"", "two words", "a\x00b"} {
			write(bad)
			wantAll(t, open(t, cfg), fault.Permanent, "", "where keystore.auth says")
		}
		write("hvs.wrong")
		wantAll(t, open(t, cfg), fault.Permanent, "vault-login", "vault token create")
	})
	t.Run("secret id", func(t *testing.T) {
		roleID, secretID := srv.AppRole(t,
			"dkimbot", vaulttest.Role{Policies: rotator, TTL: 8 * time.Second, MaxTTL: 8 * time.Second, SecretUses: 1})
		write(secretID)
		cfg := rootConfig(srv)
		p := between(t, srv)
		cfg.Address = p.URL
		cfg.Auth = vault.AppRole{RoleID: fixed(roleID), SecretID: read}
		ks := open(t, cfg)
		_, _, err := ks.Get(t.Context(), name, 0)
		if err != nil {
			t.Fatal(err)
		}
		poll(t, "the token has expired", func() bool {
			_, _, err = ks.Get(t.Context(), name, 0)
			return err != nil
		})
		for range 20 { // Vault would lock the role after five wrong secret ids
			_, _, err = ks.Get(t.Context(), name, 0)
			wantFault(t, err, fault.Permanent, "vault-login", "make a new secret id")
		}
		if n := p.count("PUT", loginPath); n > 4 {
			t.Errorf("%d logins with a secret id that is used up", n)
		}
		write(srv.SecretID(t, "dkimbot"))
		if _, _, err := ks.Get(t.Context(), name, 0); err != nil {
			t.Errorf("with a new secret id: %v", err)
		}
	})
}

// The least of tokens works: no default policy, so it may not even look at itself.
func TestTokenThatCantLookAtItself(t *testing.T) {
	srv := vaulttest.Start(t)
	only := srv.Policy(t, "only", `path "secret/data/dkim/*" { capabilities = ["read", "create", "update"] }
		path "secret/destroy/dkim/*" { capabilities = ["update"] }`)
	cfg := rootConfig(srv)
	cfg.Auth = token(srv.Token(t, api.TokenCreateRequest{Policies: []string{only}, NoDefaultPolicy: true, TTL: "1h"}))
	ks := open(t, cfg)
	wantKey(t, ks, 0, put(t, ks, 0), 1)
}

// Environment variables of Vault's own program don't get between.
func TestEnvironment(t *testing.T) {
	srv, p, cfg := appRole(t, vaulttest.Role{TTL: time.Hour})
	t.Setenv("VAULT_TOKEN", "hvs.of-somebody-else")
	t.Setenv("VAULT_AGENT_ADDR", "http://127.0.0.1:1")
	t.Setenv("VAULT_WRAP_TTL", "60s")
	t.Setenv("VAULT_ADDR", "http://127.0.0.1:1")
	ks := open(t, cfg)
	key := put(t, ks, 0)
	wantKey(t, ks, 0, key, 1)
	if p.count("PUT", loginPath) != 1 {
		t.Error("no login by AppRole")
	}
	t.Setenv("VAULT_AGENT_ADDR", "")
	t.Setenv("VAULT_ADDR", srv.Address) // holds where the configuration says nothing
	cfg.Address = ""
	wantKey(t, open(t, cfg), 0, key, 1)
}

// Kubernetes login against a stub of the login call; all else goes to a real Vault.
func TestKubernetes(t *testing.T) {
	srv := vaulttest.Start(t)
	rotator := []string{srv.Policy(t, "rotator", policy(t, "rotator.hcl"))}
	p := between(t, srv)
	p.set(func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
		if r.URL.Path != "/v1/auth/kubernetes/login" && r.URL.Path != "/v1/auth/cluster-b/login" {
			return false
		}
		var body struct{ Role, JWT string }
		json.NewDecoder(r.Body).Decode(&body)
		if body.JWT != "pod.jwt.signature" || body.Role != "dkimbot" {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"errors":["service account name not authorized"]}`)
			return true
		}
		fmt.Fprintf(w, `{"auth":{"client_token":%q,"lease_duration":3600,"renewable":true}}`,
			srv.Token(t, api.TokenCreateRequest{Policies: rotator}))
		return true
	})
	cfg := rootConfig(srv)
	cfg.Address = p.URL
	for _, path := range []string{"", "cluster-b"} {
		cfg.Auth = vault.Kubernetes{Role: "dkimbot", JWT: fixed("pod.jwt.signature\n"), Path: path}
		if _, _, err := open(t, cfg).Get(t.Context(), name, 0); err != nil {
			t.Errorf("path %q: %v", path, err)
		}
	}
	cfg.Auth = vault.Kubernetes{Role: "other", JWT: fixed("pod.jwt.signature")}
	wantAll(t, open(t, cfg), fault.Permanent, "vault-login", "keystore.auth.role")
	cfg.Auth = vault.Kubernetes{Role: "dkimbot"} // outside of a pod
	wantAll(t, open(t, cfg), fault.Permanent, "", "keystore.auth")
	cfg.Auth = vault.Kubernetes{Role: "dkimbot", JWT: func() (string, error) { return "", errors.New("not mounted") }}
	wantAll(t, open(t, cfg), fault.Permanent, "", "keystore.auth")
	cfg.Auth = vault.Kubernetes{Role: "dkimbot", JWT: fixed("x"), Path: "nosuch"}
	wantAll(t, open(t, cfg), fault.Permanent, "vault-login", "vault auth list")
}

// Every request, the login too, names the namespace: an Enterprise feature, so a stub looks.
func TestNamespace(t *testing.T) {
	for title, set := range map[string]func(*testing.T, *vault.Config){
		"configured":  func(_ *testing.T, c *vault.Config) { c.Namespace = "mail/team" },
		"environment": func(t *testing.T, _ *vault.Config) { t.Setenv("VAULT_NAMESPACE", "mail/team") },
	} {
		t.Run(title, func(t *testing.T) {
			var requests, named atomic.Int64
			ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				if r.Header.Get("X-Vault-Namespace") == "mail/team" {
					named.Add(1)
				}
				if r.URL.Path == loginPath {
					fmt.Fprint(w, `{"auth":{"client_token":"hvs.stub","lease_duration":3600}}`)
					return
				}
				w.WriteHeader(http.StatusNotFound)
				fmt.Fprint(w, `{"errors":[]}`)
			}))
			defer ts.Close()
			cfg := vault.Config{Address: ts.URL, Auth: vault.AppRole{RoleID: fixed("r"), SecretID: fixed("s")}}
			set(t, &cfg)
			ks := open(t, cfg)
			wantKey(t, ks, 0, nil, 0)
			ks.Close()
			if all, n := requests.Load(), named.Load(); all < 4 || n != all { // login, mount, read, revoke
				t.Errorf("%d of %d requests name the namespace", n, all)
			}
		})
	}
}
