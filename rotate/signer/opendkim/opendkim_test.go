package opendkim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/signer/block"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// newSigner returns the adapter for a test daemon; edit changes its configuration.
func newSigner(t testing.TB, d *signertest.OpenDKIM, edit func(*Config)) *Signer {
	t.Helper()
	cfg := Config{Name: "mx1", KeyDir: d.KeyDir, KeyTable: d.KeyTable, SigningTable: d.SigningTable,
		Reload: d.Reload(), ReloadTimeout: 20 * time.Second, Milter: d.Socket}
	if edit != nil {
		edit(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatalf("%s mounts file systems or gives files to other users and needs root; leave it out with -skip %s",
			t.Name(), t.Name())
	}
}

func withoutMilter(c *Config) { c.Milter = "" }

// TestConformance guards I1 and I10 with the real daemon, with and without the proof.
func TestConformance(t *testing.T) {
	for name, edit := range map[string]func(*Config){"proved": nil, "not proved": withoutMilter} {
		t.Run(name, func(t *testing.T) {
			signertest.Run(t, func(t *testing.T) signertest.Subject {
				d := signertest.StartOpenDKIM(t)
				s := newSigner(t, d, edit)
				subject := signertest.Subject{Signer: s, Files: []string{s.keyTable, s.signTable}, SignsWith: func(t *testing.T, domain string) dkim.Ref {
					return d.SignsWith(t, domain, signertest.Keys(t, 4)...)
				}}
				if edit == nil { // without the proof the files are believed
					subject.Stop = func(t *testing.T) { d.Stop(t) }
					subject.Backup = func(t *testing.T) func() {
						restore := fromBackup(t, d)
						return func() { restore(t); s.cfg.Reload = d.Reload() }
					}
				}
				return subject
			})
		})
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func activate(t testing.TB, s *Signer, keys ...dkim.SigningKey) {
	t.Helper()
	if err := s.Activate(t.Context(), keys); err != nil {
		t.Fatalf("Activate: %v (%s)", err, fault.HintOf(err))
	}
}

func wantSelectors(t testing.TB, d *signertest.OpenDKIM, domain string, want ...string) {
	t.Helper()
	if a := d.Mail(t, domain); a.Refused || !slices.Equal(a.Selectors(domain), want) {
		t.Fatalf("mail of %s: %q; want the selectors %q", domain, a, want)
	}
}

func wantWords(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", words)
	}
	for _, w := range words {
		faulttest.Shown(t, err)
		if text := err.Error() + " / " + fault.HintOf(err); !strings.Contains(text, w) {
			t.Errorf("error is %q; want it to hold %q", text, w)
		}
	}
}

// TestTakesOver: an operator's own lines for a domain sign before, and are kept
// byte for byte, without effect, after (I1, I6).
func TestTakesOver(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	k := signertest.Keys(t, 3)
	manual := filepath.Join(d.KeyDir, "default.private")
	writeKey(t, d, manual, k[0])
	keyLines := "# by hand\r\ndefault._domainkey.a.example  a.example:default:" + manual + "\n\n\tother " +
		"b.example:default:" + manual
	signLines := "*@A.example\tdefault._domainkey.a.example # mine\n*@b.example other\n"
	write(t, d.KeyTable, keyLines)
	write(t, d.SigningTable, signLines)
	d.Restart(t)
	s := newSigner(t, d, nil)
	wantSelectors(t, d, "a.example", "default")
	active, err := s.Active(t.Context(), []string{"a.example", "b.example", "c.example"})
	if err != nil || len(active) != 2 || active["a.example"] != signertest.At("a.example", "default", k[0]).Ref() {
		t.Fatalf("Active: %v, %v", active, err)
	}

	activate(t, s, signertest.At("a.example", "s1", k[1]))
	wantSelectors(t, d, "a.example", "s1")
	wantSelectors(t, d, "b.example", "default")
	activate(t, s, signertest.At("a.example", "s2", k[2]))
	wantSelectors(t, d, "a.example", "s2")
	for path, lines := range map[string]string{d.KeyTable: keyLines, d.SigningTable: signLines} {
		if got := read(t, path); !strings.HasSuffix(got, block.End+"\n"+lines) {
			t.Errorf("%s holds\n%s\nwant it to end with\n%s", path, got, lines)
		}
	}
}

// TestForeignKeys: what other people's lines sign with is told, also with a key
// that dkimbot would not sign with, and one that stands in the table itself.
func TestForeignKeys(t *testing.T) {
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	public, err := dkim.NewPublicKey(&short.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	der := x509.MarshalPKCS1PrivateKey(short)
	d := signertest.StartOpenDKIM(t, "RequireSafeKeys no", "MinimumKeyBits 1024")
	file := filepath.Join(d.KeyDir, "short.private")
	write(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: der})))
	write(t, d.KeyTable, "a a.example:mail:"+file+"\nb b.example:mail:"+base64.StdEncoding.EncodeToString(der)+
		"\nc c.example:mail:bm9rZXk=\n")
	write(t, d.SigningTable, "*@a.example a\n*@b.example b\n*@c.example c\n")
	d.Restart(t)
	for name, edit := range map[string]func(*Config){"asked": nil, "believed": withoutMilter} {
		active, err := newSigner(t, d, edit).Active(t.Context(), []string{"a.example", "b.example", "c.example"})
		if err != nil || len(active) != 2 || active["a.example"].KeyID != public.ID() ||
			active["b.example"].KeyID != public.ID() {
			t.Errorf("%s: %v, %v; want key %s for both", name, active, err, public.ID())
		}
	}
}

// TestAdopted: a key that the operator's own lines have in force is put into ours,
// so that theirs may go; later keys of the same selector find the way, too (I1).
func TestAdopted(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	k := signertest.Keys(t, 3)
	manual := filepath.Join(d.KeyDir, "mail.private")
	writeKey(t, d, manual, k[0])
	write(t, d.KeyTable, "mail._domainkey.a.example a.example:mail:"+manual+"\n")
	write(t, d.SigningTable, "boss@a.example mail._domainkey.a.example\n*@a.example mail._domainkey.a.example\n")
	d.Restart(t)
	s := newSigner(t, d, nil)
	for i, key := range []dkim.SigningKey{signertest.At("a.example", "mail", k[0]), signertest.At("a.example", "s2", k[1]),
		signertest.At("a.example", "mail", k[2])} {
		activate(t, s, key)
		wantActive(t, s, key)
		if ref := d.SignsWith(t, "a.example", k...); ref != key.Ref() {
			t.Fatalf("after activation %d a.example is signed with %+v", i+1, ref)
		}
	}
	for _, path := range []string{d.KeyTable, d.SigningTable} {
		_, theirs, _ := strings.Cut(read(t, path), block.End+"\n")
		write(t, path, strings.Replace(read(t, path), theirs, "", 1))
	}
	if err := os.Remove(manual); err != nil {
		t.Fatal(err)
	}
	d.Restart(t)
	wantSelectors(t, d, "a.example", "mail")
	if err := s.Forget(t.Context(), []dkim.Ref{signertest.At("a.example", "mail", k[0]).Ref()}); err != nil {
		t.Fatal(err)
	}
}

func writeKey(t testing.TB, d *signertest.OpenDKIM, path string, key *dkim.PrivateKey) {
	t.Helper()
	if err := os.WriteFile(path, key.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(d.KeyDir)
	if err != nil {
		t.Fatal(err)
	}
	if o := keyfiles.OwnerOf(info); o.UID != os.Geteuid() {
		if err := os.Chown(path, o.UID, o.GID); err != nil {
			t.Fatal(err)
		}
	}
}

// TestForeignLines: lines that would change their meaning are refused, nothing
// is changed, and the other domains continue (I6).
func TestForeignLines(t *testing.T) {
	k := signertest.Keys(t, 3)
	for name, test := range map[string]struct{ keys, signs string }{
		"KeyTable entry of our name": {keys: "s2._domainkey.a.example c.example:x:/etc/other.private\n"},
		"their own way to our selector": {keys: "lists a.example:s1:/etc/other.private\n",
			signs: "*@lists.a.example lists\n"},
		"a line for all mail":               {keys: "all a.example:s2:/etc/other.private\n", signs: "* all\n"},
		"SigningTable line using our entry": {signs: "*@sub.a.example s1._domainkey.a.example\n"},
		"the same with a signer":            {signs: "boss@a.example s2._domainkey.a.example:boss@a.example\n"},
	} {
		t.Run(name, func(t *testing.T) {
			d := signertest.StartOpenDKIM(t)
			s := newSigner(t, d, nil)
			activate(t, s, signertest.At("a.example", "s1", k[0]), signertest.At("b.example", "s1", k[0]))
			write(t, d.KeyTable, read(t, d.KeyTable)+test.keys)
			write(t, d.SigningTable, read(t, d.SigningTable)+test.signs)
			foretold(t, s, signertest.At("a.example", "s2", k[1]), "foreign-signer-line", signertest.At("b.example", "s2", k[1]))
			err := s.Activate(t.Context(),
				[]dkim.SigningKey{signertest.At("a.example", "s2", k[1]), signertest.At("b.example", "s2", k[1])})
			signertest.WantCode(t, err, "foreign-signer-line", "a.example", "dkimbot did not write")
			faulttest.Shown(t, err)
			if fault.KindOf(err) != fault.Refused {
				t.Errorf("kind is %v; want Refused", fault.KindOf(err))
			}
			wantSelectors(t, d, "a.example", "s1")
			wantSelectors(t, d, "b.example", "s2")
		})
	}
}

// TestDuplicates pins what the adapter builds on: OpenDKIM takes the first of
// two lines with one name, in both kinds of table.
func TestDuplicates(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	k := signertest.Keys(t, 2)
	one, two := filepath.Join(d.KeyDir, "1.private"), filepath.Join(d.KeyDir, "2.private")
	writeKey(t, d, one, k[0])
	writeKey(t, d, two, k[1])
	write(t, d.KeyTable, "x a.example:first:"+one+"\nx a.example:second:"+two+"\ny a.example:third:"+two+"\n")
	write(t, d.SigningTable, "*@a.example x\n*@a.example y\n")
	d.Restart(t)
	wantSelectors(t, d, "a.example", "first")
}

// TestPlainSigningTable: with "file:" the daemon asks for the bare domain.
func TestPlainSigningTable(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	write(t, d.Conf, strings.Replace(read(t, d.Conf), "refile:", "file:", 1))
	d.Restart(t)
	s := newSigner(t, d, func(c *Config) { c.SigningTable = "file:" + c.SigningTable })
	k := signertest.Keys(t, 2)
	activate(t, s, signertest.At("a.example", "s1", k[0]))
	activate(t, s, signertest.At("a.example", "s2", k[1]))
	wantSelectors(t, d, "a.example", "s2")
	if ref := d.SignsWith(t, "a.example", k[1]); ref.Selector != "s2" {
		t.Errorf("signed with %+v", ref)
	}
}

// TestMultipleSignatures: a person's line that signs as well keeps no switch from being confirmed, so that a compromised
// key that the daemon has left is revoked; a second key of dkimbot's does (I2, I7).
func TestMultipleSignatures(t *testing.T) {
	d := signertest.StartOpenDKIM(t, "MultipleSignatures yes")
	k := signertest.Keys(t, 3)
	manual := filepath.Join(d.KeyDir, "default.private")
	writeKey(t, d, manual, k[0])
	write(t, d.KeyTable, "default a.example:default:"+manual+"\n")
	write(t, d.SigningTable, "*@a.example default\n")
	d.Restart(t)
	s := newSigner(t, d, nil)
	activate(t, s, signertest.At("a.example", "s1", k[1]))
	active, err := s.Active(t.Context(), []string{"a.example"})
	if want := signertest.At("a.example", "s1", k[1]).Ref(); err != nil || active["a.example"] != want {
		t.Errorf("it signs with %v, %v; want %v", active, err, want)
	}
	writeKey(t, d, filepath.Join(d.KeyDir, "a.example", "default-0000.private"), k[0]) // as if it were one of dkimbot's
	if _, err := s.Active(t.Context(), []string{"a.example"}); err == nil {
		t.Error("it signs with two keys of dkimbot's, and one is named")
	}
	err = s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s2", k[2])})
	wantWords(t, err, "default", "s2", "MultipleSignatures")
}

// TestOpenConnection pins why the drain matters: a connection that was open at
// the switch keeps the old tables, and the old key file must stay for it.
func TestOpenConnection(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	s := newSigner(t, d, nil)
	k := signertest.Keys(t, 2)
	activate(t, s, signertest.At("a.example", "s1", k[0]))
	open := d.Connect(t)
	defer open.Close()
	activate(t, s, signertest.At("a.example", "s2", k[1]))
	if a := open.Mail("someone@a.example"); !slices.Equal(a.Selectors("a.example"), []string{"s1"}) {
		t.Errorf("the open connection: %v; want s1", a)
	}
	wantSelectors(t, d, "a.example", "s2")
}

// TestNewRefuses: configurations that OpenDKIM would read differently.
func TestNewRefuses(t *testing.T) {
	good := Config{Name: "mx1", KeyDir: "/k", KeyTable: "/t/key", SigningTable: "refile:/t/sign", Reload: []string{"true"}}
	if _, err := New(good); err != nil {
		t.Fatal(err)
	}
	for _, edit := range []func(*Config){
		func(c *Config) { c.KeyDir = "keys" },
		func(c *Config) { c.KeyDir = "/a b" },
		func(c *Config) { c.KeyDir = "/a%b" },
		func(c *Config) { c.KeyTable = "" },
		func(c *Config) { c.KeyTable = "/t/key#1" },
		func(c *Config) { c.SigningTable = "dsn:mysql://x" },
		func(c *Config) { c.SigningTable = "refile:/t/key" },
		func(c *Config) { c.Milter = "8891" },
		func(c *Config) { c.Milter = "inet:none@localhost" },
		func(c *Config) { c.Reload = nil },
		func(c *Config) { c.Milter = "unix:sock" },
	} {
		cfg := good
		edit(&cfg)
		_, err := New(cfg)
		faulttest.Shown(t, err)
	}
}

// TestUnixSocket: Debian's daemon listens on one. Here a relay leads to the test's daemon.
func TestUnixSocket(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	path := filepath.Join(d.Dir, "opendkim.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", strings.TrimPrefix(d.Socket, "inet:"))
			if err != nil {
				in.Close()
				continue
			}
			go func() { io.Copy(out, in); out.Close() }()
			go func() { io.Copy(in, out); in.Close() }()
		}
	}()
	s := newSigner(t, d, func(c *Config) { c.Milter = "unix:" + path })
	k := signertest.Keys(t, 1)
	activate(t, s, signertest.At("a.example", "s1", k[0]))
	wantSelectors(t, d, "a.example", "s1")

	l.Close() // from here on nobody answers, which is no proof
	s.cfg.ReloadTimeout = 2 * time.Second
	try := func() error {
		return s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s1", k[0])})
	}
	wantWords(t, withTime(s, try, "opendkim.sock"), "opendkim.sock", "whether the daemon runs")
}

// TestSubdomains: where a line of others signs mail of subdomains with the key of a domain, each way that the refusal
// names leaves that mail signed.
func TestSubdomains(t *testing.T) {
	k := signertest.Keys(t, 3)
	for way, subSigns := range map[string]string{
		"another selector":    "a.example sub",
		"a domain of its own": "sub.a.example s1",
	} {
		t.Run(way, func(t *testing.T) {
			d := signertest.StartOpenDKIM(t)
			manual, own := filepath.Join(d.KeyDir, "manual.private"), filepath.Join(d.KeyDir, "own.private")
			writeKey(t, d, manual, k[0])
			writeKey(t, d, own, k[1])
			write(t, d.KeyTable, "foo a.example:s1:"+manual+"\n")
			write(t, d.SigningTable, "*@a.example foo\n*@*.a.example foo\n")
			d.Restart(t)
			s := newSigner(t, d, nil)
			adopted := signertest.At("a.example", "s1", k[0])
			signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{adopted}), "foreign-signer-line", "*@*.a.example",
				"entry of another selector", "subdomains", "domains of their own first")
			if way == "another selector" {
				write(t, d.KeyTable, "foo a.example:s1:"+manual+"\nsub a.example:sub:"+own+"\n")
				write(t, d.SigningTable, "*@a.example foo\n*@*.a.example sub\n")
			} else {
				activate(t, s, signertest.At("sub.a.example", "s1", k[2]))
				write(t, d.SigningTable, strings.Replace(read(t, d.SigningTable), "*@*.a.example foo\n", "", 1))
			}
			activate(t, s, adopted)
			wantSelectors(t, d, "a.example", "s1")
			domain, selector, _ := strings.Cut(subSigns, " ")
			if a := d.Mail(t, "sub.a.example"); a.Refused || !slices.Equal(a.Selectors(domain), []string{selector}) {
				t.Errorf("mail of sub.a.example: %q; want %s", a, subSigns)
			}
		})
	}
}
