package setup

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/signer/found"
)

// rspamdHost is a host whose rspamadm prints what the real one makes of a configuration.
func rspamdHost(t *testing.T, conf string, files map[string]string) found.Host {
	t.Helper()
	if files == nil {
		files = map[string]string{}
	}
	files["/usr/bin/rspamadm"] = ""
	h := host(t, files)
	at := filepath.Join(t.TempDir(), "rspamd.conf")
	must(t, os.WriteFile(at, []byte("dkim_signing {\n"+conf+"\n}\n"), 0o644))
	h.Ask = func(ctx context.Context, program string, args ...string) ([]byte, error) {
		return exec.CommandContext(ctx, "rspamadm", append([]string{args[0], "-c", at}, args[1:]...)...).Output()
	}
	return h
}

// Whatever way rspamd signs, its domains, selectors and keys are found, and how it comes to a selector_map is said.
func TestRspamdIsFound(t *testing.T) {
	key := keyOf(t, 2048)
	for name, test := range map[string]struct {
		conf   string
		files  map[string]string
		none   bool
		remark string
		before string
		has    []string // of the configuration
	}{
		"nothing signs": {conf: `sign_local = true;`, none: true},
		"it is off":     {conf: `enabled = false; domain { example.com { selector = "mail"; path = "/k"; } }`, none: true},
		"keys in Redis": {conf: `use_redis = true;`, remark: "from Redis"},
		"a path_map: its keys have to move": {
			conf: `selector_map = "file:///etc/rspamd/sel.map"; path_map = "/etc/rspamd/path.map";`,
			files: map[string]string{"/etc/rspamd/sel.map": "example.com mail\n",
				"/etc/rspamd/path.map": "example.com /etc/old/a.pem\n", "/etc/old/a.pem": key},
			before: "cp -p /etc/old/a.pem /var/lib/rspamd/dkim/example.com.mail.key",
			has:    []string{"signed with mail, /etc/old/a.pem, 2048 bits", "selector_map: /etc/rspamd/sel.map"},
		},
		"a group wins over the map": {
			conf:   `selector_map = "/etc/rspamd/sel.map"; domain { example.com { selector = "g"; path = "/k/g.pem"; } }`,
			files:  map[string]string{"/etc/rspamd/sel.map": "example.com mail\n"},
			before: "echo 'example.com g' >>/etc/rspamd/sel.map", has: []string{"signed with g, /k/g.pem"},
		},
		"a signing_table": {conf: `signing_table = "/t"; key_table = "/k";`, remark: "by signing_table and key_table"},
		"a map that is no file": {conf: `selector_map = "glob;/etc/x"; domain { example.com { path = "/k"; } }`,
			remark: "its selector_map is glob;/etc/x"},
		"one key for all": {conf: `selector = "2020"; path = "/k/2020.key";`,
			remark: "every domain with the key /k/2020.key"},
		"keys in a Vault": {conf: `use_vault = true;`, remark: "from Vault"},
		"a map": {
			conf: `selector_map = "/etc/rspamd/sel.map"; path = "/etc/dkim/$domain.$selector.key";`,
			files: map[string]string{"/etc/rspamd/sel.map": "example.com mail\n# no\nexample.org s1\n",
				"/etc/dkim/example.com.mail.key": key},
			has: []string{"key_dir: /etc/dkim", "selector_map: /etc/rspamd/sel.map",
				"signed with mail, /etc/dkim/example.com.mail.key, 2048 bits",
				"adopt --domain example.org --key-file /etc/dkim/example.org.s1.key --selector s1", "selectors: [s3, s4]"},
		},
		"the key files of Debian's configuration": {
			conf:   `selector = "dkim"; use_redis = false;`,
			files:  map[string]string{"/var/lib/rspamd/dkim/example.com.dkim.key": key, "/var/lib/rspamd/dkim/other.key": key},
			before: "echo 'example.com dkim' >>/etc/rspamd/dkim_selectors.map",
			has: []string{"key_dir: /var/lib/rspamd/dkim",
				"signed with dkim, /var/lib/rspamd/dkim/example.com.dkim.key, 2048 bits"},
		},
		"a group for each domain": {
			conf: `domain { example.com { selector = "mail"; path = "/etc/k/a.key"; }
				example.org { selectors [ { selector: "s1", path: "/x" }, { selector: "s2", path: "/y" } ] } }`,
			remark: "example.org has a list of selectors",
			before: "cp -p /etc/k/a.key /var/lib/rspamd/dkim/example.com.mail.key",
			has:    []string{"signed with mail, /etc/k/a.key", "signed with s1, /x"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := find(t, rspamdHost(t, test.conf, test.files))
			if test.none {
				if len(all) != 0 {
					t.Errorf("found %+v", all)
				}
				return
			}
			if len(all) != 1 {
				t.Fatalf("found %+v", all)
			}
			made := text(t, all)
			for _, want := range test.has {
				if !strings.Contains(made, want) {
					t.Errorf("no %q in\n%s", want, made)
				}
			}
			if got := strings.Join(all[0].Remarks, "\n"); !strings.Contains(got, test.remark) ||
				test.remark == "" && got != "" {
				t.Errorf("remarks %q", got)
			}
			if got := strings.Join(all[0].Before, "\n"); !strings.Contains(got, test.before) ||
				test.before == "" && got != "" {
				t.Errorf("before %q", got)
			}
		})
	}
	h := host(t, map[string]string{"/usr/bin/rspamadm": ""})
	if all := find(t, h); len(all) != 1 ||
		!strings.Contains(all[0].Remarks[0], "run 'dkimbot init' on that host") {
		t.Errorf("a copy of a host: %+v", all)
	}
	h.Ask = func(context.Context, string, ...string) ([]byte, error) { return []byte("no JSON"), nil }
	if all := find(t, h); len(all) != 1 || !strings.Contains(all[0].Remarks[0], "can't be read") {
		t.Errorf("it prints something else: %+v", all)
	}
}
