package vault_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// TestShared: in engines of both versions a secret is written only in the place of what was read (I8), also where
// somebody deleted it, and what an administrator has to do is said.
func TestShared(t *testing.T) {
	srv := vaulttest.Start(t)
	srv.Mount(t, "one", "1")
	store := open(t, rootConfig(srv))
	name := dkim.Name{Domain: "example.com"}
	for _, p := range []vault.Place{{Mount: "secret", Prefix: "rspamd"}, {Mount: "one/rspamd", Unversioned: true}} {
		p.Setting = "vault_path of signer rs"
		a, err := store.At(p)
		if err != nil {
			t.Fatal(err)
		}
		read := func(want string) vault.Document {
			t.Helper()
			is, err := a.Read(t.Context(), name)
			var got struct{ Text string }
			if err == nil && is.Data != nil {
				err = json.Unmarshal(is.Data, &got)
			}
			if err != nil || got.Text != want {
				t.Fatalf("%v: %q, %v; want %q", p, got.Text, err, want)
			}
			return is
		}
		write := func(before vault.Document, text string) error {
			return a.Write(t.Context(), name, map[string]any{"text": text}, before)
		}
		none := read("")
		for _, text := range []string{"first", "second"} {
			before := read(map[string]string{"second": "first"}[text])
			if err := a.MayWrite(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			if err := write(before, text); err != nil {
				t.Fatal(err)
			}
		}
		wantFault(t, write(none, "lost"), fault.Transient, "", "find out what writes")
		before := read("second")
		if _, err := srv.Root().Logical().DeleteWithContext(t.Context(), map[bool]string{false: "secret/data/rspamd/example.com",
			true: "one/rspamd/example.com"}[p.Unversioned]); err != nil {
			t.Fatal(err)
		}
		if !p.Unversioned {
			wantFault(t, write(vault.Document{}, "lost"), fault.Transient, "", "find out what writes")
		}
		deleted := read("")
		if err := write(deleted, "third"); err != nil {
			t.Fatalf("after %+v: %v", before, err)
		}
		read("third")
	}
}

// TestSharedRefused: what is refused is said with the signer's own setting (I9: and without what stands in a secret).
func TestSharedRefused(t *testing.T) {
	srv := vaulttest.Start(t)
	srv.Mount(t, "one", "1")
	name := dkim.Name{Domain: "example.com"}
	srv.Policy(t, "reader", `path "secret/data/rspamd/*" { capabilities = ["read"] }
path "one/rspamd/*" { capabilities = ["read"] }`)
	cfg := rootConfig(srv)
	cfg.Auth = token(srv.Token(t, api.TokenCreateRequest{Policies: []string{"reader"}}))
	reader, root := open(t, cfg), open(t, rootConfig(srv))
	for _, test := range []struct {
		store *vault.Store
		place vault.Place
		code  codes.Code
		words string
	}{
		{reader, vault.Place{Mount: "secret", Prefix: "rspamd"}, codes.VaultForbidden, `"create" on secret/data/rspamd/example.com`},
		{reader, vault.Place{Mount: "one/rspamd", Unversioned: true}, codes.VaultForbidden, `"create" on one/rspamd/example.com`},
		{reader, vault.Place{Mount: "secret", Prefix: "other"}, codes.VaultForbidden, `"read" on secret/data/other/example.com`},
		{root, vault.Place{Mount: "secret/rspamd", Unversioned: true}, codes.VaultMount, "version 2"},
		{root, vault.Place{Mount: "one", Prefix: "rspamd"}, codes.VaultMount, "not version 2"},
		{root, vault.Place{Mount: "nowhere", Prefix: "rspamd"}, codes.VaultMount, "vault secrets list"},
	} {
		test.place.Setting = "vault_path of signer rs"
		a, err := test.store.At(test.place)
		if err != nil {
			t.Fatal(err)
		}
		err = a.MayWrite(t.Context(), name)
		if wantFault(t, err, fault.Permanent, test.code, ""); !strings.Contains(err.Error()+fault.HintOf(err), test.words) ||
			!strings.Contains(fault.HintOf(err), "vault_path of signer rs") {
			t.Errorf("%v (%s); want %q", err, fault.HintOf(err), test.words)
		}
	}
	if _, err := root.At(vault.Place{Mount: "a b", Setting: "vault_path of signer rs"}); err == nil {
		t.Error("a path with a blank is a path")
	} else {
		wantFault(t, err, fault.Permanent, "", "names joined by /")
	}
	srv.Root().Logical().WriteWithContext(t.Context(), "secret/config", map[string]any{"delete_version_after": "1h"})
	a, err := root.At(vault.Place{Mount: "secret", Prefix: "rspamd", Setting: "vault_path of signer rs"})
	if err != nil {
		t.Fatal(err)
	}
	wantFault(t, a.Write(t.Context(), name, map[string]any{}, vault.Document{}), fault.Permanent, "", "delete_version_after")
}
