package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
)

// vaultKeys are the keys of a lab as somebody with Vault's own tools reaches them.
type vaultKeys struct {
	testing.TB
	kv   *api.KVv2
	path string // of the lab's domain
}

func (v vaultKeys) read(selector string, version int) map[string]any {
	s, err := v.kv.GetVersion(v.Context(), v.path+selector, version)
	must(v, err)
	return s.Data
}

func (v vaultKeys) put(selector string, data map[string]any) {
	_, err := v.kv.Put(v.Context(), v.path+selector, data)
	must(v, err)
}

func (v vaultKeys) destroy(selector string, version int) {
	must(v, v.kv.Destroy(v.Context(), v.path+selector, []int{version}))
}

// What somebody does to a private key in a real Vault: what status and plan say, what
// `rotate --due` does about it, and that what it asks for leads on.
func TestDriftInVault(t *testing.T) {
	t.Parallel()
	first := newLab(t, "example.test")
	server := first.withVault(t)
	for title, c := range map[string]struct {
		spoil func(vaultKeys)
		code  int    // of rotate --due
		finds string // by status, afterwards
		says  string
		cure  func(vaultKeys)
	}{
		"standby destroyed": {
			spoil: func(v vaultKeys) { v.destroy("s2", 1) },
			says:  "done s2: key",
		},
		"standby gone without a trace": {
			spoil: func(v vaultKeys) { must(v, v.kv.DeleteMetadata(v.Context(), v.path+"s2")) },
			says:  "done s2: key",
		},
		"standby deleted, and undeleted": {
			spoil: func(v vaultKeys) { must(v, v.kv.Delete(v.Context(), v.path+"s2")) },
			finds: "key-missing", says: "can still be brought back",
			cure: func(v vaultKeys) { must(v, v.kv.Undelete(v.Context(), v.path+"s2", []int{1})) },
		},
		"standby destroyed, and put back from a backup": {
			spoil: func(v vaultKeys) {
				backup := v.read("s2", 1)
				v.destroy("s2", 1)
				v.put("s2", backup)
			},
			says: "s1 signs; s2 is published and waits",
		},
		"active destroyed, and put back from a backup": {
			spoil: func(v vaultKeys) {
				v.put("backup", v.read("s1", 1))
				v.destroy("s1", 1)
			},
			finds: "key-missing", says: "switch to s2: 'dkimbot rotate --domain example.test'",
			cure: func(v vaultKeys) { v.put("s1", v.read("backup", 1)) },
		},
		"another key stored": {
			spoil: func(v vaultKeys) { v.put("s2", v.read("s1", 1)) },
			code:  3, finds: "key-different", says: "destroy that version; dkimbot's own is version 1 and still there",
			cure: func(v vaultKeys) { v.destroy("s2", 2) },
		},
		"something else stored": {
			spoil: func(v vaultKeys) { v.put("s2", map[string]any{"key": "nonsense"}) },
			code:  3, finds: "key-different", says: "dkimbot did not make it",
			cure: func(v vaultKeys) { v.destroy("s2", 2) },
		},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "example.test").plain()
			l.file(t, "vault.token", server.RootToken)
			prefix := strings.ReplaceAll(strings.ReplaceAll(title, " ", "-"), ",", "")
			l.Keystore = strings.Replace(first.Keystore, "prefix: dkim", "prefix: "+prefix, 1)
			l.write(t)
			l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase ready")
			time.Sleep(1100 * time.Millisecond) // the lab's drain
			v := vaultKeys{t, server.Root().KVv2("secret"), prefix + "/example.test/"}
			c.spoil(v)
			signs := l.signs(t, "example.test")
			l.anHourPasses(t)
			l.run(t, "rotate", "--due").want(t, c.code, c.says)
			if codes := l.codes(t, "example.test"); codes != c.finds {
				t.Errorf("status finds %q, want %q", codes, c.finds)
			}
			if l.signs(t, "example.test") != signs {
				t.Error("the signer was changed")
			}
			if c.cure != nil {
				l.run(t, "plan").want(t, c.code, c.says)
				l.run(t, "status").want(t, 0, "drift ", "to do: ")
				c.cure(v)
				l.anHourPasses(t)
				l.run(t, "rotate", "--due").want(t, 0, "phase ready")
			}
			if codes := l.codes(t, "example.test"); codes != "" {
				t.Errorf("status still finds %s", codes)
			}
			time.Sleep(1100 * time.Millisecond) // until a fresh key has settled
			for _, selector := range []string{"s2", "s1"} {
				l.run(t, "rotate", "--domain", "example.test", "--wait").want(t, 0, "done "+selector+
					": signer mx1 signs with it now", "phase ready")
				l.wantSound(t, "example.test")
				time.Sleep(1100 * time.Millisecond)
			}
		})
	}
}
