package vault_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
)

func checked(t *testing.T, s *vault.Store) error {
	t.Helper()
	return preflighttest.Wrong(preflight.Ask(t.Context(), []preflight.Part{{Kind: "keystore", Name: "in Vault",
		Questions: s.Check([]preflight.Subject{{Name: name}})}}, preflight.Usual))
}

// Each right that a rotation needs is asked for beforehand, for the first key and for one that follows; the
// error names the right and its path, and nothing is written.
func TestCheckNamesTheRight(t *testing.T) {
	srv := vaulttest.Start(t)
	const all = `path "%[1]s/data/dkim/*" { capabilities = ["create", "read", "update"] }
		path "%[1]s/destroy/dkim/*" { capabilities = ["update"] }`
	const mayAsk = ` path "sys/capabilities-self" { capabilities = ["update"] }` // as Vault's default policy allows
	for title, c := range map[string]struct {
		hcl, hint string
		second    bool // a key is there already
	}{
		"all":               {all, "", false},
		"all, and may ask":  {all + mayAsk, "", false},
		"all, a second key": {all, "", true},
		"for one key":       {strings.ReplaceAll(all, "/*", "/example.com/s1"), "", false},
		"no read": {strings.Replace(all, `"read", `, "", 1),
			`must allow "read" on %[1]s/data/dkim/example.com/s1`, false},
		"no create": {strings.Replace(all, `"create", `, "", 1),
			`must allow "create" on %[1]s/data/dkim/example.com/s1`, false},
		"no update, before the first key": {strings.Replace(all, `, "update"`, "", 1) + mayAsk,
			`must allow "update" on %[1]s/data/dkim/example.com/s1`, false},
		"no update": {strings.Replace(all, `, "update"`, "", 1),
			`must allow "update" on %[1]s/data/dkim/example.com/s1`, true},
		"no destroy": {strings.Replace(all, "destroy", "delete", 1),
			`must allow "update" on %[1]s/destroy/dkim/example.com/s1`, false},
		"destroy elsewhere": {strings.Replace(all, "destroy/dkim/*", "destroy/other/*", 1),
			`must allow "update" on %[1]s/destroy/dkim/example.com/s1`, false},
		"nothing whatsoever": {`path "other/*" { capabilities = ["read"] }`, "examples/vault/rotator.hcl", false},
	} {
		t.Run(title, func(t *testing.T) {
			mount := srv.NewMount(t)
			root := rootConfig(srv)
			root.Mount = mount
			var before any
			if c.second {
				before = put(t, open(t, root), 0)
			}
			hcl := c.hcl
			if strings.Contains(hcl, "%") {
				hcl = fmt.Sprintf(hcl, mount)
			}
			cfg := narrow(t, srv, hcl)
			cfg.Mount = mount
			err := checked(t, open(t, cfg))
			switch hint := strings.ReplaceAll(c.hint, "%[1]s", mount); {
			case hint == "" && err != nil:
				t.Error(err)
			case hint != "":
				wantFault(t, err, fault.Permanent, "vault-forbidden", hint)
			}
			list, err := srv.Root().Logical().ListWithContext(t.Context(), mount+"/metadata")
			if err != nil || (list != nil) != (before != nil) {
				t.Errorf("the engine holds %v; %v", list, err)
			}
		})
	}
}

// A login that is refused, a mount that is not there, and one of another kind are reported as what they are, once.
func TestCheckLoginAndMount(t *testing.T) {
	srv := vaulttest.Start(t)
	srv.Mount(t, "old", "1")
	role, secret := srv.AppRole(t, "checked", vaulttest.Role{})
	for title, c := range map[string]struct {
		edit func(*vault.Config)
		code string
	}{
		"wrong token": {func(c *vault.Config) { c.Auth = token("hvs.wrong") }, "vault-login"},
		"wrong secret id": {func(c *vault.Config) {
			c.Auth = vault.AppRole{RoleID: fixed(role), SecretID: fixed("wrong")}
		}, "vault-login"},
		"no such method": {func(c *vault.Config) {
			c.Auth = vault.AppRole{RoleID: fixed(role), SecretID: fixed(secret), Path: "absent"}
		}, "vault-login"},
		"no mount":     {func(c *vault.Config) { c.Mount = "absent" }, "vault-"},
		"version 1":    {func(c *vault.Config) { c.Mount = "old" }, "vault-mount"},
		"within a one": {func(c *vault.Config) { c.Mount = "secret/data" }, "vault-mount"},
	} {
		t.Run(title, func(t *testing.T) {
			cfg := rootConfig(srv)
			c.edit(&cfg)
			answers := preflight.Ask(t.Context(), []preflight.Part{{Questions: open(t, cfg).Check(
				[]preflight.Subject{{Name: name}})}}, preflight.Usual)
			failed := 0
			for _, a := range answers {
				if a.Err == nil {
					continue
				}
				failed++
				if !strings.HasPrefix(string(fault.CodeOf(a.Err)), c.code) || fault.HintOf(a.Err) == "" {
					t.Errorf("code %q of %v, hint %q", fault.CodeOf(a.Err), a.Err, fault.HintOf(a.Err))
				}
				if login := strings.HasPrefix(a.What, "login"); login != (c.code == "vault-login") {
					t.Errorf("%q is told of %s", a.Err, a.What)
				}
			}
			if failed != 1 {
				t.Errorf("%d of %d answers failed, want one", failed, len(answers))
			}
		})
	}
}
