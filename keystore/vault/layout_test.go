package vault_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/signer/existing"
	"github.com/dkimbot/dkimbot/rotate/signer/kumomta"
	"github.com/dkimbot/dkimbot/rotate/signer/rspamd"
)

// TestReadLayout: what rspamd and KumoMTA keep is read as they read it.
func TestReadLayout(t *testing.T) {
	srv := vaulttest.Start(t)
	kv := srv.Root().KVv2("secret")
	put := func(path string, data map[string]any) {
		if _, err := kv.Put(t.Context(), path, data); err != nil {
			t.Fatal(err)
		}
	}
	entry := func(selector, domain, key string, end int64) map[string]any {
		e := map[string]any{"selector": selector, "domain": domain, "key": key, "alg": "rsa", "bits": 2048,
			"valid_start": 1767225600}
		if end != 0 {
			e["valid_end"] = end
		}
		return e
	}
	until := func(selector string, end any) map[string]any {
		e := entry(selector, "end.com", "KEY"+selector, 0)
		e["valid_end"] = end
		return e
	}
	now := time.Now().Unix()
	put("theirs/example.com", map[string]any{"selectors": []any{
		entry("mail", "example.com", "KEY1", 0), entry("next", "Example.COM", "KEY2", now+1000),
		entry("past", "example.com", "KEY3", now-1000), entry("mail", "example.org", "KEY4", 0)}})
	put("theirs/odd.com", map[string]any{"key": "KEY"})
	put("theirs/half.com", map[string]any{"selectors": []any{entry("mail", "half.com", "", 0)}})
	put("theirs/none.com", map[string]any{"selectors": []any{entry("mail", "none.com", "KEY", now-1000)}})
	put("theirs/end.com", map[string]any{"selectors": []any{until("8", 0), until("9", "0"), until("10", fmt.Sprint(now+1000)),
		until("11", nil), until("12", fmt.Sprint(now-1000))}})
	put("theirs/when.com", map[string]any{"selectors": []any{until("mail", "KEY")}})
	put("theirs/example.com/mail", map[string]any{"key": "KEY5"})
	put("theirs/example.com/odd", map[string]any{"pem": "KEY6"})
	put("theirs/example.com/gone", map[string]any{"key": "KEY7"})
	if err := kv.Delete(t.Context(), "theirs/example.com/gone"); err != nil {
		t.Fatal(err)
	}
	cfg := rootConfig(srv)
	cfg.Mount, cfg.Prefix = vault.SplitPath("/secret/theirs/", "secret")
	ks := open(t, cfg)
	theirs := existing.Layout{Name: "rspamd", InVault: rspamd.Defaults()}
	kumo := existing.Layout{Name: "kumomta", InVault: kumomta.Defaults()}
	for _, test := range []struct {
		layout    existing.Layout
		domain    string
		selectors []string
		want      string
	}{
		{theirs, "example.com", nil, "mail=KEY1 next=KEY2"},
		{theirs, "nowhere.com", nil, ""},
		{theirs, "none.com", nil, ""},
		{theirs, "end.com", nil, "10=KEY10 11=KEY11"},
		{theirs, "when.com", nil, "error: there is no list"},
		{theirs, "odd.com", nil, "error: secret/theirs/odd.com in Vault as rspamd keeps keys: there is no list"},
		{theirs, "half.com", nil, "error: lacks selector or key"},
		{kumo, "example.com", []string{"mail", "s2", "gone"}, "mail=KEY5"},
		{kumo, "example.com", []string{"odd"}, "error: no text in the field key"},
	} {
		keys, err := ks.ReadLayout(t.Context(), test.layout, test.domain, test.selectors)
		var got []string
		for _, k := range keys {
			got = append(got, k.Selector+"="+string(k.Text))
		}
		if words, isErr := strings.CutPrefix(test.want, "error: "); isErr {
			faulttest.Shown(t, err)
			if err == nil || !strings.Contains(err.Error(), words) || fault.HintOf(err) == "" ||
				strings.Contains(err.Error(), "KEY") {
				t.Errorf("%s %s: %v; want an error with %q", test.layout.Name, test.domain, err, words)
			}
			continue
		}
		if fmt := strings.Join(got, " "); err != nil || fmt != test.want {
			t.Errorf("%s %s: %q, %v; want %q", test.layout.Name, test.domain, fmt, err, test.want)
		}
	}
	cfg.Mount = "nowhere"
	if _, err := open(t, cfg).ReadLayout(t.Context(), theirs, "example.com", nil); err == nil {
		t.Error("a mount that is not there was read")
	}
}

func TestSplitPath(t *testing.T) {
	for _, test := range []struct{ path, mount, want string }{
		{"secret/dkim", "secret", "secret dkim"},
		{"kv/mail/dkim", "secret", "kv mail/dkim"},
		{"/team/kv/dkim/", "team/kv", "team/kv dkim"},
		{"secretive/dkim", "secret", "secretive dkim"},
		{"secret", "secret", "secret "},
	} {
		mount, prefix := vault.SplitPath(test.path, test.mount)
		if got := fmt.Sprint(mount, " ", prefix); got != test.want {
			t.Errorf("%q with mount %q: %q, want %q", test.path, test.mount, got, test.want)
		}
	}
}
