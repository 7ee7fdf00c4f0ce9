package vault_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/dkimbot/dkimbot/keystore"
	"github.com/dkimbot/dkimbot/keystore/keystoretest"
	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// policy returns a policy that ships with dkimbot.
func policy(t testing.TB, file string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../examples/vault", file))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// rotator.hcl suffices for all that a keystore promises, renewal and Close included
// (TestRenewal and TestClose use it), without Vault's default policy.
func TestRotatorPolicySuffices(t *testing.T) {
	srv := vaulttest.Start(t)
	name := srv.Policy(t, "rotator", policy(t, "rotator.hcl"))
	roleID, secretID := srv.AppRole(t, "dkimbot", vaulttest.Role{Policies: []string{name}, TTL: time.Hour})
	keystoretest.Run(t, func(t *testing.T) func() keystore.Keystore {
		prefix := "dkim/" + strings.ToLower(rand.Text())
		return func() keystore.Keystore {
			return open(t, vault.Config{
				Address: srv.Address, Prefix: prefix,
				Auth: vault.AppRole{RoleID: fixed(roleID), SecretID: fixed(secretID)},
			})
		}
	})
}

// TestPolicies says what each policy allows and forbids, asked of Vault itself.
func TestPolicies(t *testing.T) {
	srv := vaulttest.Start(t)
	key := put(t, open(t, rootConfig(srv)), 0)
	const secret = "dkim/example.com/s1"
	if _, err := srv.Root().KVv2("secret").Put(t.Context(), "other/secret", map[string]any{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	// Writes come last: they would spoil what is read.
	attempts := []struct {
		what            string
		rotator, signer bool
		try             func(*api.Client) error
	}{
		{"read a key", true, true, func(c *api.Client) error {
			_, err := c.KVv2("secret").Get(t.Context(), secret)
			return err
		}},
		{"look at its token", true, true, func(c *api.Client) error {
			_, err := c.Auth().Token().LookupSelf()
			return err
		}},
		{"renew its token", true, true, func(c *api.Client) error {
			_, err := c.Auth().Token().RenewSelf(60)
			return err
		}},
		{"read another's secret", false, false, func(c *api.Client) error {
			_, err := c.KVv2("secret").Get(t.Context(), "other/secret")
			return err
		}},
		{"list keys", false, false, func(c *api.Client) error {
			_, err := c.Logical().List("secret/metadata/dkim")
			return err
		}},
		{"read metadata", false, false, func(c *api.Client) error {
			_, err := c.KVv2("secret").GetMetadata(t.Context(), secret)
			return err
		}},
		{"write another's secret", false, false, func(c *api.Client) error {
			_, err := c.KVv2("secret").Put(t.Context(), "other/secret", map[string]any{"a": "c"})
			return err
		}},
		{"delete a key", false, false, func(c *api.Client) error { return c.KVv2("secret").Delete(t.Context(), secret) }},
		{"delete versions", false, false, func(c *api.Client) error {
			return c.KVv2("secret").DeleteVersions(t.Context(), secret, []int{1})
		}},
		{"undelete", false, false, func(c *api.Client) error { return c.KVv2("secret").Undelete(t.Context(), secret, []int{1}) }},
		{"delete all traces", false, false,
			func(c *api.Client) error { return c.KVv2("secret").DeleteMetadata(t.Context(), secret) }},
		{"change the engine", false, false, func(c *api.Client) error {
			_, err := c.Logical().Write("secret/config", map[string]any{"max_versions": 1})
			return err
		}},
		{"patch a key", false, false, func(c *api.Client) error {
			_, err := c.KVv2("secret").Patch(t.Context(), secret, map[string]any{"key": "x"}, api.WithMergeMethod("patch"))
			return err
		}},
		{"write a new name", true, false, func(c *api.Client) error {
			_, err := c.KVv2("secret").Put(t.Context(), "dkim/example.net/s1", map[string]any{"key": "x"})
			return err
		}},
		{"write a key", true, false, func(c *api.Client) error {
			_, err := c.KVv2("secret").Put(t.Context(), secret, map[string]any{"key": "x"})
			return err
		}},
		{"destroy a key", true, false, func(c *api.Client) error {
			return c.KVv2("secret").Destroy(t.Context(), secret, []int{1})
		}},
	}
	for _, who := range []string{"signer", "rotator"} {
		hcl := srv.Policy(t, who, policy(t, who+".hcl"))
		c := srv.Client(t, srv.Token(t, api.TokenCreateRequest{Policies: []string{hcl}, NoDefaultPolicy: true, TTL: "1h"}))
		for _, a := range attempts {
			allowed := map[string]bool{"rotator": a.rotator, "signer": a.signer}[who]
			err := a.try(c)
			if refused := err != nil && strings.Contains(err.Error(), "403"); refused == allowed || allowed && err != nil {
				t.Errorf("%s: %s: %v; want allowed: %v", who, a.what, err, allowed)
			}
		}
		if who == "signer" {
			wantKey(t, open(t, rootConfig(srv)), 0, key, 1)
		}
	}
}

// A store that holds the signer's token reads and does nothing else.
func TestSignerPolicyCantWrite(t *testing.T) {
	srv := vaulttest.Start(t)
	key := put(t, open(t, rootConfig(srv)), 0)
	cfg := rootConfig(srv)
	cfg.Auth = token(srv.Token(t, api.TokenCreateRequest{Policies: []string{srv.Policy(t,
		"signer", policy(t, "signer.hcl"))}, NoDefaultPolicy: true}))
	ks := open(t, cfg)
	wantKey(t, ks, 0, key, 1)
	_, err := ks.Put(t.Context(), name, generate(t), 1)
	wantFault(t, err, fault.Permanent, "vault-forbidden", "rotator.hcl")
	wantFault(t, ks.Destroy(t.Context(), name, 1), fault.Permanent, "vault-forbidden", "rotator.hcl")
	wantKey(t, ks, 0, key, 1)
}
