package vaulttest_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
)

func TestServer(t *testing.T) {
	for title, start := range map[string]func(testing.TB) *vaulttest.Server{
		"http": vaulttest.Start, "https": vaulttest.StartTLS,
	} {
		t.Run(title, func(t *testing.T) {
			s := start(t)
			if !strings.HasPrefix(s.Address, title+"://127.0.0.1:") {
				t.Errorf("address is %s", s.Address)
			}
			kv := s.Root().KVv2(s.NewMount(t))
			if _, err := kv.Put(t.Context(), "a/b", map[string]any{"key": "x"}, api.WithCheckAndSet(0)); err != nil {
				t.Fatal(err)
			}
			if _, err := kv.Put(t.Context(), "a/b", map[string]any{"key": "y"}, api.WithCheckAndSet(0)); err == nil {
				t.Error("check-and-set is not checked")
			}
			s.Seal(t)
			if _, err := kv.Get(t.Context(), "a/b"); err == nil {
				t.Error("a sealed server answers")
			}
			s.Unseal(t)
			got, err := kv.Get(t.Context(), "a/b")
			if err != nil || got.Data["key"] != "x" {
				t.Errorf("after unsealing: %v, %v", got, err)
			}
		})
	}
}

func TestPoliciesHold(t *testing.T) {
	s := vaulttest.Start(t)
	policy := s.Policy(t, "reader", `path "secret/data/x" { capabilities = ["read"] }`)
	roleID, secretID := s.AppRole(t, "reader", vaulttest.Role{Policies: []string{policy}})
	c := s.Client(t, "")
	login, err := c.Logical().Write("auth/approle/login", map[string]any{"role_id": roleID, "secret_id": secretID})
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{login.Auth.ClientToken,
		s.Token(t, api.TokenCreateRequest{Policies: []string{policy}})} {
		kv := s.Client(t, token).KVv2("secret")
		if _, err := kv.Get(t.Context(), "x"); err == nil || !strings.Contains(err.Error(), "not found") {
			t.Errorf("reading with the policy: %v", err)
		}
		if _, err := kv.Put(t.Context(), "x", map[string]any{"a": "b"}); err == nil || !strings.Contains(err.Error(), "403") {
			t.Errorf("writing with a policy that only reads: %v", err)
		}
	}
}

// Parallel tests, each with a server of its own, build the program once.
func TestParallelStart(t *testing.T) {
	var addresses sync.Map
	for i := range 3 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			s := vaulttest.Start(t)
			if _, twice := addresses.LoadOrStore(s.Address, true); twice {
				t.Errorf("two servers at %s", s.Address)
			}
		})
	}
}
