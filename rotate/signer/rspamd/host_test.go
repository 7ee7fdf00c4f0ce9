package rspamd

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// TestHost guards I1: a section that is not what rspamd really reads is told before the first key, by
// rspamd's own tool, with each line to write; one that is, is not.
func TestHost(t *testing.T) {
	maps := Config{Source: sourceMaps, KeyDir: "/var/lib/rspamd/dkim", SelectorMap: "/etc/rspamd/sel.map"}
	withArc := maps
	withArc.ArcSelectorMap, withArc.PathMap = "/etc/rspamd/arc.map", "/etc/rspamd/paths.map"
	hashes := Config{Source: sourceRedis, Preset: mailcow, ArcKeyPrefix: "AK", ArcSelectorPrefix: "AS"}
	secrets := Config{Source: sourceVault, VaultPath: "rspamd", ArcVaultPath: "arc"}
	old := Config{Source: sourceVault, VaultPath: "dkim", KVVersion: 1}
	const right = "rspamd's configuration is as this signer has it"
	for name, test := range map[string]struct {
		of        Config
		dkim, arc string
		want      []string
	}{
		"maps": {maps, `selector_map = "file:///etc/rspamd/sel.map"; use_esld = false;`, "", []string{right}},
		"other maps": {maps, `selector_map = "/etc/other.map"; path = "/k/$domain.key"; path_map = "/p"; use_esld = false;`,
			"",
			[]string{`selector_map = "/etc/rspamd/sel.map";`, `path = "/var/lib/rspamd/dkim/$domain.$selector.key";`,
				"# path_map: take it out", "local.d/dkim_signing.conf"}},
		"no map": {maps, `use_esld = false; domain { example.com { path = "/k"; } }`, "",
			[]string{"selector_map is missing", "domain { example.com }"}},
		"maps, and yet Redis": {maps, `use_redis = true; selector_map = "/etc/rspamd/sel.map"; use_esld = false;`, "",
			[]string{"use_redis = false;"}},
		"a list of maps": {maps, `selector_map = ["/a", "/b"]; use_esld = false;`, "",
			[]string{"selector_map is not a file"}},
		"arc": {withArc, `selector_map = "/etc/rspamd/sel.map"; path_map = "/etc/rspamd/paths.map"; use_esld = false;`,
			`selector_map = "/etc/rspamd/sel.map"; use_esld = false; enabled = false;`,
			[]string{"local.d/arc.conf", `selector_map = "/etc/rspamd/arc.map";`, "it is off", `path = "/var/lib`}},
		"subdomains": {maps, `selector_map = "/etc/rspamd/sel.map";`, "",
			[]string{"mail from sub.example.com is signed as example.com", "use_esld = false;"}},
		"signing_table": {maps, `selector_map = "/etc/rspamd/sel.map"; use_esld = false; signing_table = "/s"; key_table = "/k";`,
			"", []string{"take both out"}},
		"mailcow": {hashes, `use_redis = true; key_prefix = "DKIM_PRIV_KEYS"; selector_prefix = "DKIM_SELECTORS"; use_esld = false;`,
			`use_redis = true; key_prefix = "AK"; selector_prefix = "AS"; use_esld = false;`, []string{right}},
		"other hashes": {hashes, `use_redis = true; use_esld = false;`,
			`use_redis = true; use_vault = true; use_esld = false;`,
			[]string{`key_prefix = "DKIM_PRIV_KEYS";`, "key_prefix is dkim_keys", `selector_prefix = "DKIM_SELECTORS";`,
				"key_prefix is arc_keys", "use_vault = false;"}},
		"vault": {secrets, `use_vault = true; vault_path = "rspamd"; vault_kv_version = 2; vault_token = "hvs.x"; use_esld = false;`,
			`use_vault = true; vault_path = "arc"; vault_kv_version = 2; use_esld = false;`, []string{right}},
		"another path": {secrets, `use_vault = true; vault_path = "x"; vault_token = "hvs.x"; use_esld = false;`,
			`use_esld = false;`, []string{`vault_path = "rspamd";`, "vault_kv_version = 2;", "use_vault = true;",
				`vault_path = "arc";`}},
		"its defaults": {old, `use_vault = true; use_esld = false;`, "", []string{right}},
	} {
		t.Run(name, func(t *testing.T) {
			at := filepath.Join(t.TempDir(), "rspamd.conf")
			text := "dkim_signing {\n" + test.dkim + "\n}\narc {\n" + test.arc + "\n}\n"
			if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			q := test.of.checkHost([]string{"example.com", "sub.example.com"},
				func(ctx context.Context, module string) ([]byte, error) {
					return exec.CommandContext(ctx, "rspamadm", "configdump", "-c", at, "-j", module).Output()
				})
			answers := preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Name: "rs", Questions: q}}, preflight.Usual)
			if len(answers) != 1 || answers[0].Err != nil {
				t.Fatalf("%+v", answers)
			}
			found := answers[0].Found
			for _, want := range test.want {
				if !strings.Contains(found, want) {
					t.Errorf("no %q in %s", want, found)
				}
			}
			if strings.Contains(found, "hvs.x") || strings.Contains(found, right) != (test.want[0] == right) {
				t.Errorf("%s", found)
			}
		})
	}
	for _, ask := range []func(context.Context, string) ([]byte, error){
		func(context.Context, string) ([]byte, error) { return nil, errors.New("exit status 1") },
		func(context.Context, string) ([]byte, error) { return []byte("no JSON"), nil },
	} {
		q := maps.checkHost(nil, ask)
		if err := q[0].Ask(t.Context()); err != nil || !strings.Contains(q[0].Found(), "warning: ") {
			t.Errorf("%v, %s", err, q[0].Found())
		}
	}
}

// TestMailcowIsElsewhere: mailcow's rspamd runs in a container, so one on the host says nothing of it.
func TestMailcowIsElsewhere(t *testing.T) {
	if own, other := (&Config{Source: sourceRedis}), (&Config{Source: sourceRedis, Preset: mailcow}); own.CheckHost(nil) == nil ||
		other.CheckHost(nil) != nil {
		t.Error("the rspamd of this host is compared with mailcow's hashes, or with none")
	}
}
