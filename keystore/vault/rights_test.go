package vault_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/hashicorp/vault/api"

	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// narrow returns the configuration of a store whose token may do what hcl says, and
// nothing else.
func narrow(t *testing.T, srv *vaulttest.Server, hcl string) vault.Config {
	t.Helper()
	cfg := rootConfig(srv)
	policy := srv.Policy(t, strings.ToLower(t.Name()), hcl)
	cfg.Auth = token(srv.Token(t, api.TokenCreateRequest{Policies: []string{policy}, NoDefaultPolicy: true, TTL: "1h"}))
	return cfg
}

// What is needed weeks after the first key is proved with it (I5): the right to destroy
// it, and to let another follow. The error names the right, and no usable key stays behind.
func TestRightsAreProvedAtTheFirstWrite(t *testing.T) {
	srv := vaulttest.Start(t)
	const all = `path "%[1]s/data/dkim/*" { capabilities = ["create", "read", "update"] }
		path "%[1]s/destroy/dkim/*" { capabilities = ["update"] }`
	for title, c := range map[string]struct {
		hcl, hint string
		newest    int // the number of the version that is there at last
	}{
		"all":         {all, "", 1},
		"for one key": {strings.ReplaceAll(all, "/*", "/example.com/s1"), "", 1},
		"no right to destroy": {`path "%[1]s/data/dkim/*" { capabilities = ["create", "read", "update"] }`,
			`must allow "update" on %[1]s/destroy/dkim/example.com/s1`, 0},
		"none for this domain": {`path "%[1]s/data/dkim/*" { capabilities = ["create", "read", "update"] }
			path "%[1]s/destroy/dkim/example.net/*" { capabilities = ["update"] }`,
			`must allow "update" on %[1]s/destroy/dkim/example.com/s1`, 0},
		"the wrong right": {strings.Replace(all, `"update"] }`+"\n", `"update"] }`, 1) + "\n" +
			`path "%[1]s/destroy/dkim/example.com/*" { capabilities = ["create", "read"] }`,
			`must allow "update" on %[1]s/destroy/dkim/example.com/s1`, 0},
		"no right to write a second version": {strings.Replace(all, `, "update"`, "", 1),
			`must allow "update" on %[1]s/data/dkim/example.com/s1`, 1},
		"no right to write a first one": {strings.Replace(all, `"create", `, "", 1),
			`must allow "create" on %[1]s/data/dkim/example.com/s1`, 0},
	} {
		t.Run(title, func(t *testing.T) {
			mount := srv.NewMount(t)
			cfg := narrow(t, srv, fmt.Sprintf(c.hcl, mount))
			cfg.Mount = mount
			key := generate(t)
			version, err := open(t, cfg).Put(t.Context(), name, key, 0)
			root := rootConfig(srv)
			root.Mount = mount
			if c.hint == "" {
				if err != nil || version != 1 {
					t.Fatalf("Put = %d, %v", version, err)
				}
				wantKey(t, open(t, root), 0, key, 1)
				return
			}
			wantFault(t, err, fault.Permanent, "vault-forbidden", fmt.Sprintf(c.hint, mount))
			wantKey(t, open(t, root), 0, nil, c.newest)
			// The hint followed, it continues.
			cfg = narrow(t, srv, fmt.Sprintf(all, mount))
			cfg.Mount = mount
			put(t, open(t, cfg), c.newest)
		})
	}
}

// Proving leaves no trace but the key, and needs one place in the policy: its own.
func TestProofLeavesNoTrace(t *testing.T) {
	srv := vaulttest.Start(t)
	put(t, open(t, rootConfig(srv)), 0)
	for path, want := range map[string]string{"secret/metadata": "[dkim/]", "secret/metadata/dkim": "[example.com/]",
		"secret/metadata/dkim/example.com": "[s1]"} {
		s, err := srv.Root().Logical().ListWithContext(t.Context(), path)
		if err != nil || s == nil || fmt.Sprint(s.Data["keys"]) != want {
			t.Errorf("%s holds %v, %v; want %s", path, s, err, want)
		}
	}
	meta, err := srv.Root().KVv2("secret").GetMetadata(t.Context(), "dkim/example.com/s1")
	if err != nil || len(meta.Versions) != 1 {
		t.Errorf("metadata %+v, %v; want one version", meta, err)
	}
}

// A token that lost the right to destroy still stores the keys that follow: a domain
// whose key is compromised must get a new one (I2).
func TestRightsDontStopAReplacement(t *testing.T) {
	srv := vaulttest.Start(t)
	put(t, open(t, rootConfig(srv)), 0)
	ks := open(t, narrow(t, srv, `path "secret/data/dkim/*" { capabilities = ["create", "read", "update"] }`))
	key := put(t, ks, 1)
	wantKey(t, ks, 0, key, 2)
	wantFault(t, ks.Destroy(t.Context(), name, 1), fault.Permanent, "vault-forbidden",
		`must allow "update" on secret/destroy/dkim/example.com/s1`)
}

// A mount that names a path within the engine takes keys and destroys none; the hint
// leads to those that an older version stored there.
func TestMountWithinAnEngine(t *testing.T) {
	srv := vaulttest.Start(t)
	srv.Mount(t, "team/kv", "2")
	for mount, hint := range map[string]string{
		"secret/data": "set keystore.mount: secret; if dkimbot has stored keys there already, also keystore.prefix: " +
			"data/dkim",
		"team/kv/data":     "set keystore.mount: team/kv; if",
		"secret/metadata":  "set keystore.mount: secret and keystore.prefix: metadata/dkim",
		"secret/mail/team": "set keystore.mount: secret and keystore.prefix: mail/team/dkim",
		"secret/data/mail": "set keystore.mount: secret and keystore.prefix: data/mail/dkim",
	} {
		t.Run(mount, func(t *testing.T) {
			cfg := rootConfig(srv)
			cfg.Mount = mount
			wantAll(t, open(t, cfg), fault.Permanent, "vault-mount", hint)
		})
	}

	// What an older version wrote for the mount secret/data.
	key := generate(t)
	_, err := srv.Root().Logical().WriteWithContext(t.Context(), "secret/data/data/dkim/example.com/s1", map[string]any{
		"data": map[string]any{"key": string(key.PEM()), "key_id": key.ID()}})
	if err != nil {
		t.Fatal(err)
	}
	cfg := rootConfig(srv)
	cfg.Mount, cfg.Prefix = "secret", "data/dkim"
	ks := open(t, cfg)
	wantKey(t, ks, 0, key, 1)
	if err := ks.Destroy(t.Context(), name, 1); err != nil {
		t.Error(err)
	}
}

// hideMounts is a proxy's: this Vault does not say what is mounted where.
func hideMounts(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
	if !strings.HasPrefix(r.URL.Path, "/v1/sys/internal/ui/mounts/") {
		return false
	}
	w.WriteHeader(http.StatusForbidden)
	fmt.Fprint(w, `{"errors":["preflight capability check returned 403"]}`)
	return true
}

// Where Vault does not say its mounts, the proof finds a mount that can't destroy.
func TestMountThatCantDestroy(t *testing.T) {
	srv := vaulttest.Start(t)
	p := between(t, srv)
	p.set(hideMounts)
	cfg := rootConfig(srv)
	cfg.Address, cfg.Mount = p.URL, "secret/data"
	_, err := open(t, cfg).Put(t.Context(), name, generate(t), 0)
	wantFault(t, err, fault.Permanent, "vault-mount", "vault secrets list")
	if s, err := srv.Root().Logical().ReadWithContext(t.Context(),
		"secret/metadata/data/dkim/example.com/s1"); s != nil || err != nil {
		t.Errorf("a key was stored all the same: %v, %v", s, err)
	}
}
