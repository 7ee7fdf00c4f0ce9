package vault

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// tokenVariable hands the token to the process that is killed.
const tokenVariable = "DKIMBOT_TEST_VAULT_TOKEN"

// far is a Config for another process.
type far struct {
	Config
	Address string
}

func TestMain(m *testing.M) {
	signertest.Main(m, func(_ string, cfg far, step func(string) error) (signertest.Signer, error) {
		vault, err := signertest.OpenVault(cfg.Address, os.Getenv(tokenVariable))
		if err != nil {
			return nil, err
		}
		s := New(cfg.Config)
		s.UseVault(vault)
		s.step = step
		return s, nil
	})
}

// open returns an adapter that is logged in as root.
func open(t testing.TB, srv *vaulttest.Server, cfg Config) *Signer {
	t.Helper()
	vault, err := signertest.OpenVault(srv.Address, srv.RootToken)
	if err != nil {
		t.Fatal(err)
	}
	s := New(cfg)
	s.UseVault(vault)
	return s
}

// unwrapped serves secrets of a version 2 engine as rspamd since 3.13.2 reads them with vault_kv_version =
// 2, for one that knows version 1 only.
func unwrapped(t testing.TB, srv *vaulttest.Server) (address string) {
	t.Helper()
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mount, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/"), "/")
		ask, err := http.NewRequestWithContext(r.Context(), "GET", srv.Address+"/v1/"+mount+"/data/"+rest, nil)
		if err != nil {
			t.Error(err)
			return
		}
		ask.Header = r.Header.Clone()
		answer, err := http.DefaultClient.Do(ask)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer answer.Body.Close()
		body, _ := io.ReadAll(answer.Body)
		var is struct{ Data json.RawMessage }
		if json.Unmarshal(body, &is) == nil && answer.StatusCode == http.StatusOK {
			body = is.Data // which has a field data itself
		}
		w.WriteHeader(answer.StatusCode)
		w.Write(body)
	}))
	t.Cleanup(front.Close)
	return front.URL
}

// start starts an rspamd whose modules read from Vault.
func start(t testing.TB, srv *vaulttest.Server, cfg Config) *signertest.Rspamd {
	t.Helper()
	address := srv.Address
	if cfg.KVVersion != 1 {
		address = unwrapped(t, srv)
	}
	d := signertest.NewRspamd(t)
	arc := cfg.ArcPath
	if arc == "" {
		arc = cfg.Path
	}
	d.Start(t, "dkim_signing {"+signertest.RspamdVault(address, srv.RootToken, cfg.Path)+"}\n"+
		"arc { sign_local = true; use_domain = header; "+signertest.RspamdVault(address, srv.RootToken, arc)+"}\n")
	return d
}

// TestConformance guards I1 and I10 with the real rspamd and a real Vault, with both versions of the engine.
func TestConformance(t *testing.T) {
	srv := vaulttest.Start(t)
	for _, cfg := range []Config{
		{Name: "rs", Path: "secret/rspamd", ArcPath: "secret/arc", KVVersion: 2},
		{Name: "rs", Path: "one", KVVersion: 1},
	} {
		if cfg.KVVersion == 1 {
			srv.Mount(t, "one", "1")
		}
		t.Run(fmt.Sprint("version ", cfg.KVVersion), func(t *testing.T) {
			d := start(t, srv, cfg)
			signertest.Run(t, func(t *testing.T) signertest.Subject {
				empty(t, srv, cfg)
				return signertest.Subject{Signer: open(t, srv, cfg), SignsWith: func(t *testing.T, domain string) dkim.Ref {
					return d.SignsWith(t, domain, signertest.Keys(t, 4)...)
				}}
			})
		})
	}
}

// empty takes all secrets away.
func empty(t testing.TB, srv *vaulttest.Server, cfg Config) {
	t.Helper()
	for _, path := range []string{cfg.Path, cfg.ArcPath} {
		if path == "" {
			continue
		}
		list, gone := path, path
		if mount, rest, _ := strings.Cut(path, "/"); cfg.KVVersion != 1 {
			list = mount + "/metadata/" + rest
			gone = list
		}
		found, err := srv.Root().Logical().ListWithContext(t.Context(), list)
		if err != nil {
			t.Fatal(err)
		}
		if found == nil {
			continue
		}
		for _, name := range found.Data["keys"].([]any) {
			if _, err := srv.Root().Logical().DeleteWithContext(t.Context(), gone+"/"+name.(string)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func activate(t testing.TB, s *Signer, keys ...dkim.SigningKey) {
	t.Helper()
	if err := s.Activate(t.Context(), keys); err != nil {
		t.Fatalf("Activate: %v (%s)", err, fault.HintOf(err))
	}
}

// document returns what a module's secret says, for the arithmetic of entries.
func document(t testing.TB, s *Signer, domain string) *secret {
	t.Helper()
	modules, err := s.modules()
	if err != nil {
		t.Fatal(err)
	}
	is, err := s.load(t.Context(), modules[0], domain)
	if err != nil {
		t.Fatal(err)
	}
	return is
}

// put writes a secret as another program does.
func put(t testing.TB, srv *vaulttest.Server, path string, data string) {
	t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(data), &fields); err != nil {
		t.Fatal(err)
	}
	mount, rest, _ := strings.Cut(path, "/")
	if _, err := srv.Root().KVv2(mount).Put(t.Context(), rest, fields); err != nil {
		t.Fatal(err)
	}
}

// arcSelectors returns the selectors of ARC seals or signatures.
func arcSelectors(values []string) (out []string) {
	for _, v := range values {
		for part := range strings.SplitSeq(v, ";") {
			if s, ok := strings.CutPrefix(strings.TrimSpace(part), "s="); ok {
				out = append(out, s)
			}
		}
	}
	return out
}
