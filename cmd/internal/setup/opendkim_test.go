package setup

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/rotate/signer/found"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// find returns what the drivers of the program find.
func find(t *testing.T, h found.Host) []found.Signer {
	t.Helper()
	return Find(t.Context(), h, config.Builtin().Signers())
}

// host writes files below a directory of the test.
func host(t *testing.T, files map[string]string) found.Host {
	t.Helper()
	h := found.Host{Root: t.TempDir()}
	for path, text := range files {
		must(t, os.MkdirAll(filepath.Dir(h.At(path)), 0o755))
		must(t, os.WriteFile(h.At(path), []byte(text), 0o644))
	}
	return h
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// keyOf returns a private key of a size in PEM.
func keyOf(t *testing.T, bits int) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	must(t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}

// text returns the configuration that is made for a host; it must be valid.
func text(t *testing.T, signers []found.Signer) string {
	t.Helper()
	account, err := NewAccount("zonefile", []string{"dir=/srv/zones"})
	must(t, err)
	out, err := Configuration(Places{"/var/lib/dkimbot/state.db", "/var/lib/dkimbot/keys"}, account, signers)
	must(t, err)
	file := filepath.Join(signertest.SafeDir(t), "dkimbot.yaml")
	must(t, os.WriteFile(file, []byte(out), 0o600))
	if _, err := config.Load(file); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return out
}

const tables = `
KeyTable      /etc/opendkim/KeyTable
SigningTable  refile:/etc/opendkim/SigningTable
UserID        opendkim:mail
Socket        inet:8891@localhost
`

// Whatever way OpenDKIM is set up, its domains, selectors and files are found, and what is made is valid.
func TestOpenDKIMIsFound(t *testing.T) {
	files := map[string]string{
		"/etc/opendkim/KeyTable": "k1 example.com:mail:/etc/k/mail.private\n" +
			"k2 %:2020:/etc/k/%.private\nold example.com:old:/etc/k/old.private\n",
		"/etc/opendkim/SigningTable":           "*@example.com k1\n*@example.org k2\n*@nokey.example k9\n",
		"/lib/systemd/system/opendkim.service": "",
	}
	section := []found.Pair{{Key: "driver", Value: "opendkim"}, {Key: "key_dir", Value: "/etc/dkimkeys"}, {Key: "key_table", Value: "/etc/opendkim/KeyTable"},
		{Key: "signing_table", Value: "refile:/etc/opendkim/SigningTable"}, {Key: "owner", Value: "opendkim:mail"},
		{Key: "reload", Value: []string{"systemctl", "reload", "opendkim"}}, {Key: "milter", Value: "inet:8891@localhost"}}
	adopt := []string{"--from-opendkim", "/etc/opendkim/KeyTable", "--signing-table", "refile:/etc/opendkim/SigningTable"}
	signed := []found.Domain{{Name: "example.com", Selector: "mail", Key: "/etc/k/mail.private", Adopt: adopt},
		{Name: "example.org", Selector: "2020", Key: "/etc/k/example.org.private", Adopt: adopt}}
	for name, test := range map[string]struct {
		conf    string
		files   map[string]string
		keys    []found.Pair
		domains []found.Domain
		remark  string
		before  string
	}{
		"tables":              {conf: tables, keys: section, domains: signed},
		"the last one counts": {conf: "Socket local:/x\nkeytable /none" + tables, keys: section, domains: signed},
		"comments": {conf: "#UserID root" + strings.ReplaceAll(tables, "localhost", "localhost # here"),
			keys: section, domains: signed},
		"in an included file": {conf: "Include /etc/opendkim/more.conf\n", keys: section, domains: signed},
		"it signs nothing":    {conf: "Mode v" + tables, remark: "signs nothing"},
		"a database":          {conf: tables + "KeyTable dsn:mysql://x\n", remark: "its KeyTable is dsn:mysql://x"},
		"a list":              {conf: tables + "SigningTable csl:a=b\n", remark: "its SigningTable is csl:a=b"},
		"a table is gone": {conf: tables + "KeyTable /none\n", remark: "read KeyTable",
			keys: changed(section, "key_table", "/none")},
		"an impossible socket": {conf: tables + "Socket fd:3\n", remark: `milter "fd:3"`,
			keys: changed(section, "milter", nil)},
		"unsafe keys": {conf: tables + "RequireSafeKeys No\n", domains: signed,
			keys: append(append([]found.Pair(nil), section...), found.Pair{Key: "allow_unsafe_keys", Value: true})},
		"nothing yet": {conf: "Syslog yes\nUserID opendkim:mail\nSocket inet:8891@localhost\n",
			before: "signs for no domain yet",
			keys: changed(changed(section, "key_table", "/etc/opendkim/key.table"),
				"signing_table", "refile:/etc/opendkim/signing.table")},
		"a KeyTable for patterns": {conf: tables + "KeyTable refile:/etc/opendkim/KeyTable\n",
			before: "/\\1file:/I' /etc/opendkim.conf\nsystemctl restart opendkim",
			keys:   changed(section, "key_table", "file:/etc/opendkim/KeyTable"), domains: throughFile(signed)},
		"tables that are not read": {conf: "Domain example.com\nKeyFile /k\nUserID opendkim:mail\nSocket inet:8891@localhost\n",
			files:  map[string]string{"/etc/opendkim/signing.table": "*@example.com old\n"},
			before: `printf '%s\n' '*@example.com default._domainkey.example.com' >/etc/opendkim/dkimbot1-signing.table`,
			domains: []found.Domain{{Name: "example.com", Selector: "default", Key: "/k",
				Adopt: []string{"--key-file", "/k", "--selector", "default"}}},
			keys: changed(changed(section, "key_table", "/etc/opendkim/dkimbot1-key.table"),
				"signing_table", "refile:/etc/opendkim/dkimbot1-signing.table")},
		"an odd domain": {conf: "Domain example.com,no..domain\nKeyFile /k\nUserID opendkim:mail\n" +
			"Socket inet:8891@localhost\n",
			remark: `"no..domain"`, before: "Move it to tables by hand",
			keys: changed(changed(section, "key_table", "/etc/opendkim/key.table"),
				"signing_table", "refile:/etc/opendkim/signing.table")},
	} {
		t.Run(name, func(t *testing.T) {
			h := host(t, files)
			must(t, os.WriteFile(h.At("/etc/opendkim.conf"), []byte(test.conf), 0o644))
			must(t, os.WriteFile(h.At("/etc/opendkim/more.conf"), []byte(tables), 0o644))
			for path, text := range test.files {
				must(t, os.WriteFile(h.At(path), []byte(text), 0o644))
			}
			all := find(t, h)
			if len(all) != 1 {
				t.Fatalf("found %+v", all)
			}
			s := all[0]
			if diff := cmp.Diff(test.keys, s.Keys); diff != "" {
				t.Errorf("keys (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(test.domains, s.Domains, cmpopts.EquateEmpty()); diff != "" && test.remark == "" || diff != "" &&
				test.domains != nil {
				t.Errorf("domains (-want +got):\n%s", diff)
			}
			if got := strings.Join(s.Remarks, "\n"); !strings.Contains(got, test.remark) || test.remark == "" && got != "" {
				t.Errorf("remarks %q", got)
			}
			if got := strings.Join(s.Before, "\n"); !strings.Contains(got, test.before) || test.before == "" && got != "" {
				t.Errorf("before %q", got)
			}
			text(t, all)
		})
	}
}

// changed is keys with another value of one of them, or without it.
func changed(keys []found.Pair, key string, value any) (out []found.Pair) {
	for _, p := range keys {
		if p.Key != key {
			out = append(out, p)
		} else if value != nil {
			out = append(out, found.Pair{Key: key, Value: value})
		}
	}
	return out
}

// throughFile is domains whose adoption names the KeyTable as a plain file.
func throughFile(domains []found.Domain) (out []found.Domain) {
	for _, d := range domains {
		d.Adopt = append([]string{"--from-opendkim", "file:" + d.Adopt[1]}, d.Adopt[2:]...)
		out = append(out, d)
	}
	return out
}

// What another user calls opendkim is not believed: it could name its own files and socket (hostile users).
// The real one, which gave root's rights up for its own user, is.
func TestOnlyTheRealOpenDKIMIsAsked(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	fake := exec.Command("sh", "-c", "exec -a opendkim sleep 300")
	if bash, err := exec.LookPath("bash"); err == nil {
		fake = exec.Command(bash, "-c", "exec -a opendkim sleep 300")
	}
	must(t, fake.Start())
	defer func() { fake.Process.Kill(); fake.Wait() }()
	seen := 0
	for _, p := range found.At("/").Running("opendkim", "opendkim") {
		if slices.Contains(p.Line, d.Conf) {
			seen++
		}
		if slices.Contains(p.Line, "300") {
			t.Errorf("believed is %q", p.Line)
		}
	}
	if seen == 0 {
		t.Error("the real one is not seen")
	}
	if _, err := found.At("/").ReadTrusted(d.Conf); err != nil {
		t.Errorf("its configuration: %v", err)
	}
	must(t, os.Chmod(d.Conf, 0o666))
	if _, err := found.At("/").ReadTrusted(d.Conf); err == nil {
		t.Error("a configuration that everybody can write is believed")
	}
}

// A configuration that can't be read is named, with the way on; a host without one has none.
func TestNoOpenDKIM(t *testing.T) {
	if all := find(t, host(t, nil)); len(all) != 0 {
		t.Errorf("found %+v", all)
	}
	h := host(t, map[string]string{"/etc/opendkim.conf": "Include /etc/opendkim.conf\n"})
	all := find(t, h)
	if len(all) != 1 || !strings.Contains(strings.Join(all[0].Remarks, ""), "included too deeply") {
		t.Errorf("found %+v", all)
	}
	if got := text(t, all); !strings.Contains(got, "No program that signs mail was found that dkimbot can switch") {
		t.Error(got)
	}
}

// The selectors of the new policy are free, and what can be kept can be told from what can't.
func TestDomainsAreComments(t *testing.T) {
	h := host(t, map[string]string{
		"/etc/opendkim.conf":         tables,
		"/etc/opendkim/KeyTable":     "a a.example:s1:/k/long\nb b.example:mail:/k/short\n",
		"/etc/opendkim/SigningTable": "*@a.example a\n*@b.example b\n",
		"/k/long":                    keyOf(t, 2048), "/k/short": keyOf(t, 1024),
	})
	got := text(t, find(t, h))
	for _, want := range []string{
		"    selectors: [s3, s4]", "\n  # keep-s1: { selectors: [s1, s3] }\n",
		"\n  # - { name: a.example, provider: dns, signers: [opendkim] }\n  #   signed with s1, /k/long, 2048 bits\n",
		"policy: keep-s1; dkimbot adopt --domain a.example --from-opendkim /etc/opendkim/KeyTable --signing-table refile:",
		"signed with mail, /k/short, only 1024 bits: it has to be moved over\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	if strings.Contains(got, "keep-mail") {
		t.Errorf("a key of 1024 bits is to be kept:\n%s", got)
	}
}

// The commands that move an OpenDKIM with one key to tables keep its key and selector: mail is signed before
// and after with the same (I1).
func TestStockOpenDKIMComesToTables(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	key := keyOf(t, 2048)
	h := host(t, nil)
	h.Root = filepath.Join(d.Dir, "host")
	must(t, os.MkdirAll(h.At("/etc/dkimkeys"), 0o755))
	must(t, os.WriteFile(h.At("/etc/dkimkeys/mail.private"), []byte(key), 0o600))
	conf, err := os.ReadFile(d.Conf)
	must(t, err)
	var kept []string
	for line := range strings.Lines(string(conf)) {
		if !strings.Contains(line, "Table") && !strings.Contains(line, "UserID") {
			kept = append(kept, line)
		}
	}
	stock := strings.Join(kept, "") + "Domain example.com, Example.ORG\nSelector mail\n  KeyFile " +
		"/etc/dkimkeys/mail.private\nSubDomains yes\n"
	must(t, os.WriteFile(h.At("/etc/opendkim.conf"), []byte(stock), 0o644))
	d.Stop(t)
	all := find(t, h)
	inRoot := func(text string) string { return strings.ReplaceAll(text, "/etc/", h.Root+"/etc/") }
	must(t, os.WriteFile(h.At("/etc/opendkim.conf"), []byte(inRoot(stock)), 0o644))
	d.Conf = h.At("/etc/opendkim.conf")
	d.Start(t)
	signs := func(when string) {
		t.Helper()
		for _, from := range []string{"example.com", "example.org", "sub.example.com"} {
			answer := d.Mail(t, from)
			if want := fmt.Sprintf("d=%s s=mail", strings.TrimPrefix(from, "sub.")); answer.String() != want {
				t.Errorf("%s, mail from %s is signed by %q, want %q", when, from, answer, want)
			}
		}
	}
	signs("at first")
	script := "set -eu\n"
	for _, line := range all[0].Before {
		if line != "systemctl restart opendkim" {
			script += inRoot(line) + "\n"
		}
	}
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, script)
	}
	d.Restart(t)
	signs("from tables")
	must(t, os.WriteFile(h.At("/etc/opendkim.conf"), []byte(tables), 0o644))
}

// Whatever stands in opendkim.conf, what is made of it is a valid configuration.
func TestAnyOpenDKIMIsMadeValid(t *testing.T) {
	h := host(t, map[string]string{"/etc/opendkim/more.conf": tables})
	words := []string{"", "/etc/k", "refile:/x y", "csl:a,b", "file:relative", "a.example, b.example", "s1",
		"../s", "inet:8891",
		"inet6:1@[::1]", "local:/run/x", "yes", "no", "v", "'; rm #", "%", "*", "opendkim:", "/a b\tc", "Größe",
		"\x01", "]", "x: y"}
	rapid.Check(t, func(r *rapid.T) {
		line := rapid.Custom(func(r *rapid.T) string {
			return rapid.SampledFrom([]string{"KeyTable", "SigningTable", "Domain", "Selector", "KeyFile", "Socket",
				"UserID", "PidFile",
				"RequireSafeKeys", "SubDomains", "Mode", "Include"}).Draw(r, "key") + " " +
				rapid.OneOf(rapid.SampledFrom(words), rapid.StringMatching(`[!-~ ]{0,12}`)).Draw(r, "value")
		})
		conf := strings.Join(rapid.SliceOfN(line, 0, 8).Draw(r, "lines"), "\n")
		must(t, os.WriteFile(h.At("/etc/opendkim.conf"), []byte(conf), 0o644))
		text(t, find(t, h))
	})
}

// The unit of each OpenDKIM is that which started it: a second one is reloaded by its own.
func TestUnitOfEachOpenDKIM(t *testing.T) {
	second := func(name, port string) string {
		return strings.NewReplacer("/etc/opendkim/", "/etc/opendkim/"+name+"-", "8891", port).Replace(tables)
	}
	h := host(t, map[string]string{
		"/etc/opendkim.conf":                          tables,
		"/etc/opendkim/out.conf":                      second("out", "8892"),
		"/etc/opendkim/old.conf":                      second("old", "8893"),
		"/lib/systemd/system/opendkim.service":        "[Service]\nExecReload=/bin/kill -USR1 $MAINPID\n",
		"/etc/systemd/system/opendkim@.service":       "[Service]\n ExecReload = /bin/kill -USR1 $MAINPID\n",
		"/etc/systemd/system/opendkim-old.service":    "[Service]\n#ExecReload=/bin/kill\nExecReload=\n",
		"/etc/systemd/system/opendkim-nobody.service": "[Service]\nExecReload=/bin/true\n",
		"/proc/101/cgroup":                            "0::/system.slice/opendkim.service\n",
		"/proc/101/cmdline":                           "/usr/sbin/opendkim\x00",
		"/proc/102/cgroup":                            "0::/system.slice/system-opendkim.slice/opendkim@out.service/more.service\n",
		"/proc/102/cmdline":                           "/usr/sbin/opendkim\x00-x\x00/etc/opendkim/out.conf\x00",
		"/proc/103/cgroup":                            "2:cpu:/x.service\n1:name=systemd:/mail.slice/opendkim-old.service\n",
		"/proc/103/cmdline":                           "/usr/sbin/opendkim\x00-x\x00/etc/opendkim/old.conf\x00",
	})
	h.Proc = h.At("/proc")
	for _, pid := range []string{"101", "102", "103"} {
		must(t, os.Symlink("/usr/sbin/opendkim", h.At("/proc/"+pid+"/exe")))
	}
	want := map[string][]string{
		"/etc/opendkim.conf":     {"systemctl", "reload", "opendkim.service"},
		"/etc/opendkim/out.conf": {"systemctl", "reload", "opendkim@out.service"},
		"/etc/opendkim/old.conf": {"systemctl", "kill", "--signal=USR1", "--kill-who=main", "opendkim-old.service"},
	}
	all := find(t, h)
	for _, s := range all {
		at := slices.IndexFunc(s.Keys, func(p found.Pair) bool { return p.Key == "reload" })
		if at < 0 {
			t.Fatalf("%s: no reload: %+v", s.From, s)
		}
		if diff := cmp.Diff(want[s.From], s.Keys[at].Value); diff != "" {
			t.Errorf("%s: %s", s.From, diff)
		}
		if remark := strings.Join(s.Remarks, " "); strings.Contains(remark, "opendkim-old.service has no ExecReload") !=
			(s.From == "/etc/opendkim/old.conf") {
			t.Errorf("%s: %q", s.From, remark)
		}
	}
	if len(all) != len(want) {
		t.Errorf("found %d", len(all))
	}
	text(t, all)
}

// A value with a character that can't be seen is refused, so that it can be asked for again.
func TestControlCharacterInAnAccount(t *testing.T) {
	for _, bad := range []string{"\x1b[A", "ns\x00", "a\u202eb", "\xff", "a\tb"} {
		if _, err := NewAccount("rfc2136", []string{"key_name=" + bad}); err == nil ||
			!strings.Contains(err.Error(), "write it again") || strings.Contains(err.Error(), bad) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// A domain for which two programs sign is listed once, with both; which key it keeps is told where they have the same.
func TestDomainOfTwoSigners(t *testing.T) {
	keys := []found.Pair{{Key: "driver", Value: "exec"}, {Key: "command", Value: []string{"true"}}}
	two := func(a, b string) []found.Signer {
		of := func(selector string) []found.Domain {
			return []found.Domain{{Name: "a.example", Selector: selector, Key: "/k/" + selector, Adopt: []string{"--key", "k"}}}
		}
		return []found.Signer{{Name: "opendkim", Keys: keys, Domains: of(a)}, {Name: "opendkim2", Keys: keys, Domains: of(b)}}
	}
	got := text(t, two("s1", "s1"))
	want := "domains:\n  # - { name: a.example, provider: dns, signers: [opendkim, opendkim2] }\n" +
		"  #   signed by opendkim with s1, /k/s1\n  #   signed by opendkim2 with s1, /k/s1\n" +
		"  #   to keep it: policy: keep-s1; dkimbot adopt --domain a.example --key k\n"
	if !strings.HasSuffix(got, want) {
		t.Errorf("%q does not end with %q", got, want)
	}
	if got := text(t, two("s1", "mail")); strings.Contains(got, "to keep it:") || strings.Count(got, "name: a.example") != 1 {
		t.Error(got)
	}
}

// A signer keeps the name that stands in its tables: under another one its first switch would be refused. The others
// get names that are free.
func TestNameInTheTables(t *testing.T) {
	h := host(t, map[string]string{
		"/a/table": "# BEGIN dkimbot for signer \"opendkim2\": these lines are rewritten\na b\n# END dkimbot\n",
		"/b/table": "# BEGIN dkimbot for signer \"mx1\": these lines are rewritten\n# END dkimbot\n",
		"/c/table": "# BEGIN dkimbot for signer \"no plain: name\"\n# END dkimbot\n",
	})
	var all []found.Signer
	for _, table := range []string{"/none", "/c/table", "file:/a/table", "/b/table"} {
		all = append(all, found.Signer{Name: "opendkim", Keys: []found.Pair{{Key: "reload", Value: []string{"true"}},
			{Key: "key_table", Value: table}}})
	}
	unlike(all, owners(all, h))
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
	}
	if got := strings.Join(names, " "); got != "opendkim opendkim3 opendkim2 mx1" {
		t.Error(got)
	}
	if got := all[2].Remarks; len(got) != 1 || !strings.Contains(got[0], "signer opendkim2") {
		t.Errorf("%q", got)
	}
}
