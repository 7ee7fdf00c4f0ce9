package cli_test

import (
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	ns "github.com/dkimbot/dkimbot/providers/nameservertest"
)

// anHourPasses makes it every domain's turn to be looked after, and ends all backing off.
func (l *lab) anHourPasses(t testing.TB) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(l.Dir, "state.db")+"?_pragma=busy_timeout(5000)")
	must(t, err)
	defer db.Close()
	for _, change := range []string{"UPDATE looks SET at = 0", "UPDATE domains SET next_at = 0 WHERE failures > 0"} {
		_, err := db.Exec(change)
		must(t, err)
	}
}

// edit changes a file of the lab by hand.
func (l *lab) edit(t testing.TB, name string, change func(string) string) {
	t.Helper()
	before := l.read(t, name)
	after := change(before)
	if before == after {
		t.Fatalf("nothing was changed in %s:\n%s", name, before)
	}
	l.file(t, name, after)
}

// withoutLine drops the lines that begin so.
func withoutLine(begin string) func(string) string {
	return func(text string) (out string) {
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(line, begin) {
				out += line
			}
		}
		return out
	}
}

func replaced(from, to string) func(string) string {
	return func(text string) string { return strings.ReplaceAll(text, from, to) }
}

// codes returns the codes of what status --json finds not as it should be.
func (l *lab) codes(t testing.TB, domain string) string {
	t.Helper()
	var out []string
	for _, f := range l.status(t, domain).Drift {
		out = append(out, string(f.Code))
		if f.Message == "" || f.Repair == "" || f.Since.IsZero() {
			t.Errorf("%+v says too little", f)
		}
	}
	return strings.Join(out, " ")
}

// ready makes a lab with a domain that is ready, its first drain over.
func readyLab(t *testing.T) *lab {
	t.Helper()
	l := newLab(t, "example.test").plain()
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase ready")
	time.Sleep(1100 * time.Millisecond) // the lab's drain
	return l
}

const (
	zoneOf  = "zones/example.test.zone"
	foreign = `s2._domainkey.example.test. 1 IN TXT "v=DKIM1; p=Zm9yZWlnbg=="` + "\n"
	revoked = `s2._domainkey.example.test. 1 IN TXT "v=DKIM1; p="` + "\n"
	theEnd  = "; END dkimbot"
)

// What is safe is repaired within the hour by `rotate --due` alone, without a daemon;
// plan proposes it before, and the history says what was repaired and why.
func TestDriftCured(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		spoil   func(t *testing.T, l *lab)
		plan    []string
		due     []string
		history string
	}{
		"record deleted": {
			func(t *testing.T, l *lab) { l.edit(t, zoneOf, withoutLine("s2._domainkey")) },
			[]string{"drift the record that dkimbot published at s2._domainkey.example.test is missing from DNS",
				"it is published again by itself", "1. publish", "2. verify"},
			[]string{"done s2: the record of key", ": every authoritative server shows it"},
			"the record that dkimbot published at s2._domainkey.example.test is missing from DNS; it is published again; " +
				"through lab",
		},
		"active's record deleted": {
			func(t *testing.T, l *lab) { l.edit(t, zoneOf, withoutLine("s1._domainkey")) },
			[]string{"drift the record that dkimbot published at s1._domainkey.example.test is missing from DNS", "1. publish"},
			[]string{"done s1: the record of key"},
			"the record that dkimbot published at s1._domainkey.example.test is missing from DNS",
		},
		"signer table edited to the other selector": {
			func(t *testing.T, l *lab) {
				l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase ready")
				l.edit(t, "opendkim/key.table", func(s string) string {
					return strings.ReplaceAll(strings.ReplaceAll(s, "s2._domainkey", "s1._domainkey"), ":s2:", ":s1:")
				})
				l.edit(t, "opendkim/signing.table", replaced("s2._domainkey", "s1._domainkey"))
			},
			[]string{"drift signer mx1 signs with s1 and key", "its mail fails", "it is brought back to s2 by itself",
				"activate  signer mx1"},
			[]string{"done s2: signer mx1 signs with it now"},
			"signer mx1 signs with s1 and key",
		},
		"signer table names a selector that nobody knows": {
			func(t *testing.T, l *lab) {
				l.edit(t, "opendkim/key.table", func(s string) string {
					return strings.ReplaceAll(strings.ReplaceAll(s, "s1._domainkey", "mail._domainkey"), ":s1:", ":mail:")
				})
				l.edit(t, "opendkim/signing.table", replaced("s1._domainkey", "mail._domainkey"))
			},
			[]string{"drift signer mx1 signs with mail and not with s1; dkimbot knows nothing of that selector",
				"activate  signer mx1"},
			[]string{"done s1: signer mx1 signs with it now"},
			"signer mx1 signs with mail and not with s1",
		},
		"signer host built again": {
			func(t *testing.T, l *lab) { must(t, os.RemoveAll(filepath.Join(l.Dir, "opendkim"))) },
			[]string{"drift signer mx1 does not sign for example.test any more, as a host that was built again; " +
				"its mail leaves unsigned", "it is given the key of s1 by itself", "activate  signer mx1"},
			[]string{"done s1: signer mx1 signs with it now"},
			"as a host that was built again",
		},
		"standby's private key gone": {
			func(t *testing.T, l *lab) { must(t, os.RemoveAll(filepath.Join(l.Dir, "keys/example.test/s2"))) },
			[]string{"drift the private key for s2._domainkey.example.test is missing from the keystore; no signer uses it",
				"a fresh key takes its place by itself", "1. generate", "5. destroy"},
			[]string{"done s2: key", "was made, kept in the keystore", "done s2: the record of key"},
			"store s2",
		},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			l := readyLab(t)
			c.spoil(t, l)
			l.run(t, "plan").want(t, 0, c.plan...)
			if strings.HasPrefix(title, "signer table") { // the same is no news to check
				l.run(t, "check").want(t, 1, "failed  signer mx1: signs as dkimbot left it (example.test): "+
					"compare what signer mx1 signs with and what it confirmed: signer mx1 signs with ",
					"'dkimbot repair --domain example.test' tries that now")
			}
			l.run(t, "rotate", "--due").want(t, 0, "Nothing is due.") // it is nobody's turn yet
			l.anHourPasses(t)
			l.run(t, "rotate", "--due", "--dry-run").want(t, 0, c.plan...)
			l.run(t, "rotate", "--due").want(t, 0, append(c.due, "phase ready")...)
			l.run(t, "history").want(t, 0, c.history)
			l.wantSound(t, "example.test")
			if codes := l.codes(t, "example.test"); codes != "" {
				t.Errorf("status still finds %s", codes)
			}
			l.run(t, "rotate", "--due").want(t, 0, "Nothing is due.")
			time.Sleep(1100 * time.Millisecond) // until a fresh key has settled
			l.run(t, "rotate", "--domain", "example.test").want(t, 0, "signer mx1 signs with it now")
		})
	}
}

// What is not dkimbot's is left alone and asked about: exit code 3, in status with the
// time since when, and a way on that leads on (I6).
func TestDriftAsked(t *testing.T) {
	t.Parallel()
	for title, c := range map[string]struct {
		spoil func(t *testing.T, l *lab)
		code  string
		says  []string
		cure  func(t *testing.T, l *lab)
	}{
		"record changed": {
			func(t *testing.T, l *lab) {
				l.edit(t, zoneOf, func(s string) string {
					return strings.Replace(withoutLine("s2._domainkey")(s), theEnd, foreign+theEnd, 1)
				})
			},
			"record-foreign",
			[]string{"s2._domainkey.example.test holds a record that dkimbot did not make",
				"remove it: dkimbot then publishes its own again"},
			func(t *testing.T, l *lab) { l.edit(t, zoneOf, withoutLine("s2._domainkey")) },
		},
		"key revoked": {
			func(t *testing.T, l *lab) {
				l.edit(t, zoneOf, func(s string) string {
					return strings.Replace(withoutLine("s2._domainkey")(s), theEnd, revoked+theEnd, 1)
				})
			},
			"record-foreign",
			[]string{"s2._domainkey.example.test holds a record that dkimbot did not make", "find out why the key was revoked"},
			func(t *testing.T, l *lab) { l.edit(t, zoneOf, withoutLine("s2._domainkey")) },
		},
		"second record": {
			func(t *testing.T, l *lab) {
				l.edit(t, zoneOf, func(s string) string { return strings.Replace(s, theEnd, foreign+theEnd, 1) })
			},
			"record-second",
			[]string{"s2._domainkey.example.test holds 2 records, of which dkimbot made at most one", "remove it"},
			func(t *testing.T, l *lab) { l.edit(t, zoneOf, withoutLine(strings.TrimSpace(foreign))) },
		},
		"private key replaced": {
			func(t *testing.T, l *lab) {
				l.edit(t, "keys/example.test/s2/1.pem", func(string) string { return l.read(t, "keys/example.test/s1/1.pem") })
			},
			"key-different",
			[]string{"s2/1.pem: dkimbot did not write it for this name and version", "move it out of the key directory"},
			func(t *testing.T, l *lab) { must(t, os.Remove(filepath.Join(l.Dir, "keys/example.test/s2/1.pem"))) },
		},
	} {
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			l := readyLab(t)
			c.spoil(t, l)
			before, signs := l.files(t), l.signs(t, "example.test")
			l.run(t, "plan").want(t, 3, append(c.says, "refused: ", "hint: ")...)
			l.anHourPasses(t)
			l.run(t, "rotate", "--due").want(t, 3, append(c.says, "refused: ", "hint: ", "next  try again")...)
			if codes := l.codes(t, "example.test"); codes != c.code {
				t.Errorf("status finds %q, want %s", codes, c.code)
			}
			l.run(t, "status").want(t, 0, append(c.says, "failures: 1 in a row", "drift ", "; since ", "to do: ")...)
			// While it waits for its next try, that is what --due says, with the same exit code.
			l.run(t, "rotate", "--due").want(t, 3, c.says[0], "next  try again, not before", "Nothing else is due.",
				"'dkimbot rotate --domain example.test'")
			var doc report.RotateDocument
			must(t, json.Unmarshal([]byte(l.run(t, "rotate", "--due", "--json").want(t, 3).out), &doc))
			if len(doc.Domains) != 0 || len(doc.Waiting) != 1 || doc.Waiting[0].Name != "example.test" ||
				doc.Waiting[0].Next == nil {
				t.Errorf("the document says %+v", doc)
			}
			since := l.status(t, "example.test").Drift[0].Since
			l.anHourPasses(t)
			l.run(t, "rotate", "--due").want(t, 3)
			// The hour passes for the queue alone: by the state, the try comes early, and is not counted.
			if st := l.status(t, "example.test"); !st.Drift[0].Since.Equal(since) || st.Failures != 1 {
				t.Errorf("after the second try it is there since %s, %d failures; want since %s", st.Drift[0].Since,
					st.Failures, since)
			}
			if l.files(t) != before || l.signs(t, "example.test") != signs {
				t.Error("I6: something was changed")
			}
			c.cure(t, l)
			l.anHourPasses(t)
			l.run(t, "rotate", "--due").want(t, 0, "phase ready")
			l.run(t, "history").want(t, 0, "look s2", "over")
			l.wantSound(t, "example.test")
			if codes := l.codes(t, "example.test"); codes != "" {
				t.Errorf("status still finds %s", codes)
			}
		})
	}
}

// The active key is missing from the keystore: signers continue with their copies, and who
// looks is told loudly, with a way on that leads on.
func TestActiveKeyGone(t *testing.T) {
	t.Parallel()
	l := readyLab(t)
	must(t, os.RemoveAll(filepath.Join(l.Dir, "keys/example.test/s1")))
	says := []string{"the private key for s1._domainkey.example.test is missing from the keystore; " +
		"the signers continue with their copies",
		"to do: restore it from a backup of the keystore, or switch to s2: 'dkimbot rotate --domain example.test'"}
	l.run(t, "plan").want(t, 0, says...)
	l.anHourPasses(t)
	l.run(t, "rotate", "--due").want(t, 0, says...)
	l.run(t, "status").want(t, 0, append(says, "; since ")...)
	l.run(t, "history").want(t, 0, "look s1", "noticed")
	if got := l.signs(t, "example.test"); !strings.HasPrefix(got, "[s1 ") {
		t.Errorf("the signer uses %s", got)
	}
	// A host that is built again can't be given the key: signers leave it for the other one, and nobody is needed (I1).
	l.file(t, "opendkim.good", "")
	must(t, os.RemoveAll(filepath.Join(l.Dir, "opendkim")))
	l.anHourPasses(t)
	l.run(t, "rotate", "--due").want(t, 0, "done s2: signer mx1 signs with it now")
	if got := l.signs(t, "example.test"); !strings.HasPrefix(got, "[s2 ") {
		t.Errorf("after the repair, the signer uses %s", got)
	}
}

// Both keys are gone: this may be the wrong keystore, and nothing is made afresh (I12).
func TestBothKeysGone(t *testing.T) {
	t.Parallel()
	l := readyLab(t)
	l.Keystore = "driver: file\npath: elsewhere"
	l.write(t)
	missing := []string{"keystore-missing", "/elsewhere: the directory is missing, and keys should be in it",
		": mount ", "mkdir -m 700 "}
	l.run(t, "plan").want(t, 0, missing[1:]...)
	l.anHourPasses(t)
	l.run(t, "rotate", "--due").want(t, 0, missing[1:]...)
	l.run(t, "rotate", "--domain", "example.test").want(t, 3, missing[1:]...)
	l.run(t, "status", "--json").want(t, 0, missing[:1]...)
	if _, err := os.Stat(filepath.Join(l.Dir, "elsewhere")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory was made: %v", err)
	}
	must(t, os.Mkdir(filepath.Join(l.Dir, "elsewhere"), 0o700)) // as the hint says
	says := []string{"is missing from the keystore, and so is the other one",
		"that the configuration names the right keystore"}
	l.run(t, "plan").want(t, 0, append(says, "1 domain, 0 steps")...)
	l.anHourPasses(t)
	l.run(t, "rotate", "--due").want(t, 0, says...)
	l.run(t, "rotate", "--domain", "example.test").want(t, 1, says...)
	if l.read(t, "elsewhere/example.test/s2/1.pem") != "" {
		t.Error("a key was made")
	}
	l.Keystore = "driver: file\npath: keys"
	l.write(t)
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "done s2: signer mx1 signs with it now")
	l.wantSound(t, "example.test")
}

// BIND and dynamic updates: a record that somebody deletes or adds to, there.
func TestDriftInBIND(t *testing.T) {
	t.Parallel()
	l, server := bindLab(t, []string{"example.test"}, ns.Zone{Name: "example.test"})
	l.run(t, "rotate", "--domain", "example.test").want(t, 0, "phase ready")
	server.Remove(t, "s2._domainkey.example.test.", "TXT")
	l.anHourPasses(t)
	l.run(t, "rotate", "--due").want(t, 0, "done s2: the record of key", "phase ready")
	server.Add(t, `s2._domainkey.example.test. 1 TXT "v=DKIM1; p="`)
	l.anHourPasses(t)
	l.run(t, "rotate", "--due").want(t, 3, "holds 2 records")
	if codes := l.codes(t, "example.test"); codes != "record-second" {
		t.Errorf("status finds %s", codes)
	}
	server.Remove(t, "s2._domainkey.example.test.", "TXT")
	l.anHourPasses(t)
	l.run(t, "rotate", "--due").want(t, 0, "phase ready")
	l.wantSound(t, "example.test")
}

// A look that finds all well makes no new revision, so that saved plans hold, and two
// processes share the turns.
func TestLooksAreQuiet(t *testing.T) {
	t.Parallel()
	l := readyLab(t)
	before := l.run(t, "history").want(t, 0).out
	revision := func() string {
		_, rest, _ := strings.Cut(l.run(t, "plan", "--json").want(t, 0).out, `"revision": `)
		number, _, _ := strings.Cut(rest, ",")
		return number
	}
	was := revision()
	for range 3 {
		l.anHourPasses(t)
		l.run(t, "rotate", "--due").want(t, 0, "example.test  phase ready")
		l.run(t, "rotate", "--due").want(t, 0, "Nothing is due.")
	}
	if is := revision(); is != was || was == "" {
		t.Errorf("revision %q became %q", was, is)
	}
	if after := l.run(t, "history").want(t, 0).out; after != before {
		t.Errorf("the history grew:\n%s", after)
	}
}

// The daemon takes the same turns.
func TestDaemonLooks(t *testing.T) {
	t.Parallel()
	l := readyLab(t)
	l.edit(t, zoneOf, withoutLine("s2._domainkey"))
	l.anHourPasses(t)
	d := l.daemon(t)
	d.awaitLog(t, "is missing from DNS")
	d.awaitLog(t, `"step":"verify"`)
	d.stop(t, syscall.SIGTERM, soon)
	l.wantSound(t, "example.test")
}

// A domain that leaves the configuration is told of by every command that reads the
// state, and by the daemon; nothing of it is touched.
func TestUnlistedDomain(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test", "gone.test")
	l.run(t, "rotate", "--due").want(t, 0)
	d := l.daemon(t)
	l.Domains = l.Domains[:1]
	l.write(t)
	before := l.files(t)
	must(t, d.cmd.Process.Signal(syscall.SIGHUP))
	d.awaitLog(t, "configuration reloaded")
	d.awaitLog(t, "dkimbot manages a domain that the configuration does not list")
	d.awaitLog(t, "s2._domainkey.gone.test")
	d.stop(t, syscall.SIGTERM, soon)

	name := "gone.test is not in the configuration any more"
	l.run(t, "status").want(t, 0, "gone.test  phase ready", "s1._domainkey.gone.test and s2._domainkey.gone.test in DNS",
		"the private keys of s1 and s2 in the keystore",
		"signer mx1 signs with s1", "dkimbot release --domain gone.test")
	l.run(t, "plan").want(t, 0, name)
	l.anHourPasses(t)
	l.run(t, "rotate", "--due").want(t, 0, "example.test  phase ready", name)
	l.run(t, "rotate", "--due").want(t, 0, "Nothing is due.", name)
	l.run(t, "validate").want(t, 0)
	for _, line := range []result{l.run(t, "status", "--json"), l.run(t, "rotate", "--due", "--json")} {
		var doc struct{ Unlisted []report.Unlisted }
		must(t, json.Unmarshal([]byte(line.want(t, 0).out), &doc))
		if len(doc.Unlisted) != 1 || doc.Unlisted[0].Name != "gone.test" || len(doc.Unlisted[0].Records) != 2 ||
			doc.Unlisted[0].Signers["mx1"] != "s1" {
			t.Errorf("%s says %+v", line.line, doc.Unlisted)
		}
	}
	if r := l.run(t, "status", "--domain", "example.test").want(t, 0); strings.Contains(r.out, "gone.test") {
		t.Errorf("who asks for one domain is told of another:\n%s", r.out)
	}
	if after := l.files(t); after != before {
		t.Errorf("I6: something was changed:\n%s\nwas\n%s", after, before)
	}
	l.Domains = append(l.Domains, "gone.test")
	l.write(t)
	if r := l.run(t, "status").want(t, 0); strings.Contains(r.out, "not in the configuration") {
		t.Errorf("it is listed again:\n%s", r.out)
	}
	l.wantSound(t, "gone.test")
}
