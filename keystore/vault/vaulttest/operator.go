package vaulttest

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
)

// Client returns a client that is logged in with token.
func (s *Server) Client(t testing.TB, token string) *api.Client {
	t.Helper()
	conf := api.DefaultConfig()
	conf.Address, conf.AgentAddress = s.Address, ""
	if s.CAFile != "" {
		check(t, conf.ConfigureTLS(&api.TLSConfig{CACert: s.CAFile}))
	}
	c, err := api.NewClient(conf)
	check(t, err)
	c.SetToken(token)
	return c
}

// Root returns the client of the root token.
func (s *Server) Root() *api.Client { return s.root }

// NewMount mounts a fresh KV version 2 engine at a path that nobody else has.
func (s *Server) NewMount(t testing.TB) string {
	t.Helper()
	path := "kv-" + strings.ToLower(rand.Text())
	s.Mount(t, path, "2")
	return path
}

// Mount mounts a KV engine of the given version at path and waits until it can be used.
func (s *Server) Mount(t testing.TB, path, version string) {
	t.Helper()
	check(t, s.root.Sys().MountWithContext(t.Context(), path, &api.MountInput{
		Type: "kv", Options: map[string]string{"version": version},
	}))
	deadline := time.Now().Add(time.Minute)
	for {
		_, err := s.root.Logical().ReadWithContext(t.Context(), path+"/data/probe")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("mount %s can't be used: %v", path, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Policy writes a policy and returns its name.
func (s *Server) Policy(t testing.TB, name, hcl string) string {
	t.Helper()
	check(t, s.root.Sys().PutPolicyWithContext(t.Context(), name, hcl))
	return name
}

// Token makes a token.
func (s *Server) Token(t testing.TB, req api.TokenCreateRequest) string {
	t.Helper()
	secret, err := s.root.Auth().Token().CreateWithContext(t.Context(), &req)
	check(t, err)
	return secret.Auth.ClientToken
}

// Revoke revokes a token.
func (s *Server) Revoke(t testing.TB, token string) {
	t.Helper()
	check(t, s.root.Auth().Token().RevokeTreeWithContext(t.Context(), token))
}

// Role describes an AppRole.
type Role struct {
	Policies    []string
	TTL, MaxTTL time.Duration // of its tokens; 0 means Vault's defaults
	SecretUses  int           // how often a secret id can be used; 0 means for ever
}

// AppRole makes an AppRole and returns its role id and a secret id.
func (s *Server) AppRole(t testing.TB, name string, role Role) (roleID, secretID string) {
	t.Helper()
	path := "auth/approle/role/" + name
	_, err := s.root.Logical().WriteWithContext(t.Context(), path, map[string]any{
		"token_policies":          role.Policies,
		"token_ttl":               fmt.Sprint(role.TTL),
		"token_max_ttl":           fmt.Sprint(role.MaxTTL),
		"token_no_default_policy": true,
		"secret_id_num_uses":      role.SecretUses,
	})
	check(t, err)
	id, err := s.root.Logical().ReadWithContext(t.Context(), path+"/role-id")
	check(t, err)
	return id.Data["role_id"].(string), s.SecretID(t, name)
}

// SecretID makes one more secret id of an AppRole.
func (s *Server) SecretID(t testing.TB, name string) string {
	t.Helper()
	secret, err := s.root.Logical().WriteWithContext(t.Context(), "auth/approle/role/"+name+"/secret-id", nil)
	check(t, err)
	return secret.Data["secret_id"].(string)
}

// Seal seals the server: it answers nothing until Unseal.
func (s *Server) Seal(t testing.TB) {
	t.Helper()
	check(t, s.root.Sys().SealWithContext(t.Context()))
}

// Unseal unseals the server and waits until it answers again.
func (s *Server) Unseal(t testing.TB) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	status, err := s.root.Sys().UnsealWithContext(t.Context(), s.UnsealKey)
	check(t, err)
	if status.Sealed {
		t.Fatal("the unseal key did not unseal the server")
	}
	for {
		if _, err = s.root.Auth().Token().LookupSelfWithContext(t.Context()); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server does not answer after it was unsealed: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
