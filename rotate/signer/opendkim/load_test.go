package opendkim

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim/flatfile"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

func run(t testing.TB, argv ...string) {
	t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%q: %v: %s", argv, err, out)
	}
}

// patterns are keys of a refile, some of which OpenDKIM can't load.
var patterns = strings.Fields(`*@b.example ( ) a( a) (a) ? a? a?? | a| |a a||b () a{1 a{1} a{1,} a{1, a{x} { } {1} a{2,1} (a){2}
	[ [] []] [a [b-a] [[:alpha:]] [[:foo:]] [[=a=]] [[.-.]] \ \\ \1 (a)\1 \w \q ^ ^^ $ a$b (^a) (*a) ** a** (?a) (|a) ^* a^* $?
	a{1}{2} a{256} a{32768} (? + (+ [+] [.] [*] a{,2} a{} ((a)) [a-] [--a] [^] [^]] *@[0-9]+.example post(master|man)@*`)

// TestLoads compares what is taken for loadable with what the real daemon loads: nothing that it
// refuses is let through, and what is refused leaves the tables and the mail as they were (I1).
func TestLoads(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	k := signertest.Keys(t, 2)
	s := newSigner(t, d, nil)
	activate(t, s, signertest.At("a.example", "s1", k[0]))
	keys, signs := read(t, d.KeyTable), read(t, d.SigningTable)
	strict := 0
	for _, p := range patterns {
		write(t, d.SigningTable, signs+"# theirs\n"+p+" s1._domainkey.a.example\n")
		ours, real := checkPattern(p) == nil, loads(d)
		if ours && !real {
			t.Errorf("OpenDKIM does not load the pattern %q", p)
		}
		if !ours && real {
			strict++
		}
	}
	if strict > 20 {
		t.Errorf("%d of %d patterns that OpenDKIM loads are refused", strict, len(patterns))
	}
	for name, test := range map[string]struct {
		keys, signs string
		words       []string
	}{
		"no pattern":          {"b b.example:x:/k\n", "*@( b\n", []string{"line 5", "not valid", "signing.table"}},
		"no entry":            {"", "*@b.example gone\n", []string{"line 5", "gone", "KeyTable lacks"}},
		"no entry, identity":  {"", "*@b.example gone:boss@b.example\n", []string{"line 5", "KeyTable lacks"}},
		"entry cut short":     {"b b.example:x\n", "*@b.example b\n", []string{"line 5", "domain:selector:path"}},
		"nothing behind it":   {"", "*@b.example\n", []string{"line 5", "names no entry"}},
		"pattern is too long": {"b b.example:x:/k\n", strings.Repeat("+", 600) + " b\n", []string{"line 5", "too long"}},
	} {
		t.Run(name, func(t *testing.T) {
			write(t, d.KeyTable, keys+test.keys)
			write(t, d.SigningTable, signs+"# theirs\n"+test.signs)
			err := s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s2", k[1])})
			signertest.WantCode(t, err, "unloadable-line", test.words...)
			foreseen(t, s, err)
			if fault.KindOf(err) != fault.Refused {
				t.Errorf("kind is %v; want Refused", fault.KindOf(err))
			}
			if read(t, d.KeyTable) != keys+test.keys || !strings.HasSuffix(read(t, d.SigningTable), test.signs) {
				t.Error("the tables were changed")
			}
			wantSelectors(t, d, "a.example", "s1")
			wantActive(t, s, signertest.At("a.example", "s1", k[0]))
			_, err = newSigner(t, d, withoutMilter).Active(t.Context(), []string{"a.example"})
			signertest.WantCode(t, err, "unloadable-line", "line 5")
		})
	}
	write(t, d.KeyTable, keys)
	write(t, d.SigningTable, signs)
	activate(t, s, signertest.At("a.example", "s2", k[1]))
}

// loads reports whether the daemon would start with its tables.
func loads(d *signertest.OpenDKIM) bool {
	return exec.Command("opendkim", "-n", "-x", d.Conf).Run() == nil
}

// TestPlainLoads is the same for a plain SigningTable, of which OpenDKIM checks some lines itself.
func TestPlainLoads(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	write(t, d.Conf, strings.Replace(read(t, d.Conf), "refile:", "file:", 1))
	write(t, d.KeyTable, "b b.example:x:/k\nc c.example\n")
	for _, line := range []string{"b.example b", "b.example b:boss@b.example", "( b", "b.example", "b.example gone:x",
		"b.example %", "b.example %:x", "b.example c:x", "b.example b:x\nc.example gone:x"} {
		write(t, d.SigningTable, line+"\n")
		bad := checkLines([]byte(line+"\n"), false, flatfile.Entries([]byte(read(t, d.KeyTable))))
		if real := loads(d); bad == nil && !real {
			t.Errorf("OpenDKIM does not load %q", line)
		} else if real && bad != nil && !strings.Contains(bad.err.Error(), "KeyTable") {
			t.Errorf("OpenDKIM loads %q; refused with %v", line, bad.err)
		}
	}
}

// TestMissingTable: a path that is misspelled is told before anything is made.
func TestMissingTable(t *testing.T) {
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	for _, edit := range []func(*Config){
		func(c *Config) { c.KeyTable += "x" },
		func(c *Config) { c.SigningTable += "x" },
		func(c *Config) { c.KeyTable = filepath.Dir(c.KeyTable) + "/wrong/key.table" },
	} {
		d := signertest.StartOpenDKIM(t)
		s := newSigner(t, d, edit)
		missing := s.keyTable
		if s.keyTable == d.KeyTable {
			missing = s.signTable
		}
		if _, err := s.Screen(t.Context(), []dkim.SigningKey{{Name: dkim.Name{Domain: "a.example"}}}); fault.CodeOf(err) != "missing-table" {
			t.Errorf("before anything was tried: %v", err)
		}
		err := s.Activate(t.Context(), []dkim.SigningKey{key})
		signertest.WantCode(t, err, "missing-table", missing, "opendkim.conf", "install -m 644 /dev/null")
		foreseen(t, s, err)
		if _, err := os.Stat(missing); err == nil {
			t.Errorf("%s was made", missing)
		}
		if files, _ := os.ReadDir(d.KeyDir); len(files) > 0 {
			t.Errorf("key files were made: %v", files)
		}
	}
}

// TestUmask guards I1: what is made for the daemon can be read by its user, whatever the umask.
func TestUmask(t *testing.T) {
	needRoot(t)
	defer syscall.Umask(syscall.Umask(0o077))
	k := signertest.Keys(t, 2)
	d := signertest.StartOpenDKIM(t)
	tables := filepath.Join(d.Dir, "tables", "of-opendkim")
	conf := read(t, d.Conf)
	for _, table := range []*string{&d.KeyTable, &d.SigningTable} {
		conf = strings.ReplaceAll(conf, *table, filepath.Join(tables, filepath.Base(*table)))
		*table = filepath.Join(tables, filepath.Base(*table))
	}
	conf = strings.ReplaceAll(conf, "UserID", "# at first as root\nUserID")
	write(t, d.Conf, conf)
	if err := os.Chmod(d.Conf, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(d.KeyDir); err != nil {
		t.Fatal(err)
	}
	s := newSigner(t, d, func(c *Config) { c.Owner, c.Group = "opendkim", "opendkim" })
	for i, selector := range []string{"s1", "s2"} {
		key := signertest.At("a.example", selector, k[i])
		activate(t, s, key) // the daemon reads the tables at a reload, as its user
		if ref := d.SignsWith(t, "a.example", k...); ref != key.Ref() {
			t.Errorf("signed with %+v", ref)
		}
	}
	for path, mode := range map[string]os.FileMode{tables: 0o755 | os.ModeDir, filepath.Dir(tables): 0o755 | os.ModeDir,
		d.KeyTable: 0o644, d.SigningTable: 0o644,
		d.KeyDir: 0o700 | os.ModeDir, d.KeyTable + ".dkimbot-lock": 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v; want %v", path, info, err, mode)
		}
	}
}

// TestUnreadableTables: tables that the daemon's user can't read are told before anything is
// changed: at the next reload it would keep the old ones, silently.
func TestUnreadableTables(t *testing.T) {
	needRoot(t)
	k := signertest.Keys(t, 2)
	for name, test := range map[string]struct {
		spoil func(d *signertest.OpenDKIM) string
		words []string
	}{
		"KeyTable": {func(d *signertest.OpenDKIM) string { return d.KeyTable }, []string{"can't be read", "chmod g+r"}},
		"SigningTable": {func(d *signertest.OpenDKIM) string { return d.SigningTable },
			[]string{"can't be read", "chmod g+r"}},
		"directory": {func(d *signertest.OpenDKIM) string { return filepath.Dir(d.SigningTable) },
			[]string{"can't be entered", "chmod g+x"}},
	} {
		t.Run(name, func(t *testing.T) {
			d := signertest.StartOpenDKIM(t)
			tables := filepath.Join(d.Dir, "tables")
			if err := os.Mkdir(tables, 0o755); err != nil {
				t.Fatal(err)
			}
			moveTables(t, d, tables)
			s := newSigner(t, d, withoutMilter)
			old, now := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
			activate(t, s, old)
			settles(t, s, d, "s1")
			restore := chmod(t, test.spoil(d), 0o600)
			err := s.Activate(t.Context(), []dkim.SigningKey{now})
			signertest.WantCode(t, err, "unreadable-table", append(test.words, "opendkim", test.spoil(d))...)
			foreseen(t, s, err)
			wantSelectors(t, d, "a.example", "s1")
			restore()
			foreseen(t, s, nil)
			activate(t, s, now)
			settles(t, s, d, "s2")
		})
	}
}

// foreseen checks that a dry run and the health check say of the tables what a switch said, by which
// nothing was changed: what the run would refuse the dry run says.
func foreseen(t *testing.T, s *Signer, refusal error) {
	t.Helper()
	_, said := s.Screen(t.Context(), []dkim.SigningKey{{Name: dkim.Name{Domain: "a.example"}}})
	if (said == nil) != (refusal == nil) ||
		said != nil && (fault.Text(said) != fault.Text(refusal) || fault.HintOf(said) != fault.HintOf(refusal)) {
		t.Errorf("a dry run says:\n%v\nand the run:\n%v", said, refusal)
	}
}

// foretold checks that a dry run says of one key what a switch would say, by its record alone, and
// nothing of another one.
func foretold(t *testing.T, s *Signer, refused dkim.SigningKey, code string, fine dkim.SigningKey) {
	t.Helper()
	var next []dkim.SigningKey
	for _, k := range []dkim.SigningKey{refused, fine} {
		next = append(next, dkim.SigningKey{Name: k.Name, Record: dkim.NewRecord(k.Key.Public(), "").String()})
	}
	each, all := s.Screen(t.Context(), next)
	err := s.Activate(t.Context(), []dkim.SigningKey{refused})
	if all != nil || len(each) != 1 || string(fault.CodeOf(err)) != code ||
		fault.Text(each[refused.Domain]) != fault.Text(err) || fault.HintOf(each[refused.Domain]) != fault.HintOf(err) {
		t.Errorf("a dry run says:\n%v, %v\nand the run:\n%v", all, each, err)
	}
}

func FuzzPattern(f *testing.F) {
	for _, p := range patterns {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if len(p) < 200 && checkPattern(p) == nil && flatfile.CompileGlob(p) == nil {
			t.Errorf("%q is let through and means nothing", p)
		}
	})
}

// TestKeyTableAsRefile: a line of others that is no pattern keeps OpenDKIM from starting where opendkim.conf has the
// KeyTable as a refile, which dkimbot can't see. The check names the line; as a plain file it does no harm.
func TestKeyTableAsRefile(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	s := newSigner(t, d, nil)
	activate(t, s, signertest.At("a.example", "s1", signertest.Keys(t, 1)[0]))
	plain, keys := read(t, d.Conf), read(t, d.KeyTable)
	for _, line := range []string{"x[ b.example:s:/f", "x( b.example:s:/f", strings.Repeat("x", 5000) + " b.example:s:/f",
		"x b.example:s:/f", " x[ b.example:s:/f", "s1._domainkey.b.example b.example:s1:/f"} {
		write(t, d.KeyTable, keys+line+"\n")
		loaded := map[string]bool{}
		for _, kind := range []string{"file:", "refile:"} {
			write(t, d.Conf, strings.Replace(plain, "file:"+d.KeyTable, kind+d.KeyTable, 1))
			loaded[kind] = loads(d)
		}
		said := ""
		for _, q := range s.Check([]preflight.Subject{{Name: dkim.Name{Domain: "a.example", Selector: "s1"}}}) {
			if strings.HasPrefix(q.What, "tables ") {
				if err := q.Ask(t.Context()); err != nil {
					t.Errorf("%.20s: %v", line, err)
				}
				said = q.Found()
			}
		}
		if !loaded["file:"] || loaded["refile:"] != (said == "") {
			t.Errorf("OpenDKIM loads the line %.20q: %v; the check says %q", line, loaded, said)
		}
		named := strings.HasPrefix(said, "warning: line 4 of "+d.KeyTable) && strings.Contains(said, "write KeyTable file:")
		if said != "" && !named {
			t.Errorf("%.20q: the check says %q", line, said)
		}
	}
}
