package vault_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// TestPages: documents for agents are written by check-and-set beside the keys, and dated by Vault's clock.
func TestPages(t *testing.T) {
	srv := vaulttest.Start(t)
	s := open(t, rootConfig(srv))
	const at = "mx1/wish"
	if p, err := s.ReadPage(t.Context(), at); err != nil || p.Version != 0 || p.Text != nil {
		t.Errorf("nothing stands there: %+v, %v", p, err)
	}
	if v, err := s.WritePage(t.Context(), at, []byte(`{"a":{"b":1}}`), 0); err != nil || v != 1 {
		t.Errorf("version %d, %v", v, err)
	}
	_, err := s.WritePage(t.Context(), at, []byte(`{"a":2}`), 0)
	faulttest.Shown(t, err)
	if fault.CodeOf(err) != codes.VersionConflict {
		t.Errorf("a second first version: %v", err)
	}
	p, err := s.ReadPage(t.Context(), at)
	if err != nil || string(p.Text) != `{"a":{"b":1}}` || p.Version != 1 || p.Now.Sub(p.Written).Abs() > time.Minute {
		t.Errorf("%s, %+v, %v", p.Text, p, err)
	}
	if got, err := srv.Root().KVv2("secret").Get(t.Context(), "dkim-agents/mx1/wish"); err != nil || got == nil {
		t.Errorf("it stands elsewhere: %v", err)
	}
	if err := srv.Root().KVv2("secret").Delete(t.Context(), "dkim-agents/mx1/wish"); err != nil {
		t.Fatal(err)
	}
	if p, err := s.ReadPage(t.Context(), at); err != nil || p.Version != 1 || p.Text != nil {
		t.Errorf("a page that was deleted: %+v, %v", p, err)
	}
	if v, err := s.WritePage(t.Context(), at, []byte(`{}`), 1); err != nil || v != 2 {
		t.Errorf("version %d, %v", v, err)
	}
}

// TestPagesForbidden: the error names the right that is missing and the path.
func TestPagesForbidden(t *testing.T) {
	srv := vaulttest.Start(t)
	cfg := rootConfig(srv)
	cfg.Auth = token(srv.Token(t, api.TokenCreateRequest{Policies: []string{srv.Policy(t, "signer",
		policy(t, "signer.hcl"))}, NoDefaultPolicy: true}))
	for name, prefix := range map[string]string{"dkim-agents": "dkim", "agents": ""} {
		cfg.Prefix = prefix
		s := open(t, cfg)
		_, read := s.ReadPage(t.Context(), "mx1/wish")
		_, write := s.WritePage(t.Context(), "mx1/report", []byte(`{}`), 0)
		for _, err := range []error{read, write} {
			if prefix != "" {
				faulttest.Shown(t, err)
			}
			if fault.CodeOf(err) != codes.VaultForbidden || !strings.Contains(fault.HintOf(err), "secret/data/"+name+"/mx1/") {
				t.Errorf("%v (%s)", err, fault.HintOf(err))
			}
		}
	}
}
