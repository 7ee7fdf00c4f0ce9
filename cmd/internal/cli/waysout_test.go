package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestHintsLeadOut follows each hint to its end: whatever a refusal or an error says is to be
// done is done, by the words that it uses, until the domain can be rotated again. A hint that
// leads back to where it came from, or to nothing, fails.
func TestHintsLeadOut(t *testing.T) {
	const d = "example.test"
	rotate := []string{"rotate", "--domain", d}
	tests := []struct {
		name    string
		fresh   bool // the domain has not been brought up
		arrange func(*testing.T, *lab)
		ask     []string
		code    string // what the first answer is about
		hands   []hand // what a person does by hand, where the hint says so
	}{
		{name: "somebody's record before the first key", fresh: true,
			arrange: func(t *testing.T, l *lab) { l.strange(t, d, "s1") },
			ask:     rotate, code: "foreign-record", hands: []hand{{"if nothing signs with it, remove it", clearRecords}}},
		{name: "somebody's record at the standby", arrange: func(t *testing.T, l *lab) { l.strange(t, d, "s2") },
			ask: rotate, code: "foreign-record", hands: []hand{{"remove it", clearRecords}}},
		{name: "somebody's record at the active selector", arrange: func(t *testing.T, l *lab) { l.strange(t, d, "s1") },
			ask: rotate, code: "foreign-record", hands: []hand{{"remove it", clearRecords}}},
		{name: "the state is lost", arrange: loseStateDatabase, ask: rotate, code: "lost-state"},
		{name: "the state is lost, and the active record", arrange: func(t *testing.T, l *lab) {
			loseStateDatabase(t, l)
			clearRecords(t, l)
		}, ask: rotate, code: "lost-state"},
		{name: "the state is lost, and a key is compromised", arrange: loseStateDatabase,
			ask: append(rotate, "--compromised"), code: "lost-state"},
		{name: "the state is lost, and it is sent back", arrange: loseStateDatabase, ask: []string{"rollback", "--domain", d},
			code: "lost-state"},
		{name: "the state is an older copy", arrange: olderState, ask: rotate, code: "stale-state"},
		{name: "the state is an older copy, and a key is compromised", arrange: olderState,
			ask: append(rotate, "--compromised"), code: "stale-state"},
		{name: "the state is an older copy, and it is sent back", arrange: olderState,
			ask: []string{"rollback", "--domain", d}, code: "stale-state"},
		{name: "other selectors", arrange: func(t *testing.T, l *lab) { l.policy(t, "selectors: [a1, a2]") }, ask: rotate,
			code:  "selectors-changed",
			hands: []hand{{`selectors: \[s1, s2\]`, func(t *testing.T, l *lab) { l.policy(t, "selectors: [s1, s2]") }}}},
		{name: "the keystore is not mounted",
			arrange: func(t *testing.T, l *lab) { must(t, os.Rename(l.path("keys"), l.path("away"))) },
			ask:     append(rotate, "--wait"), code: "keystore-missing",
			hands: []hand{{"^mount .*, restore it from a backup, or set keystore.path", func(t *testing.T, l *lab) {
				must(t, os.RemoveAll(l.path("keys"))) // the hint's command, for keys that are lost
				must(t, os.Rename(l.path("away"), l.path("keys")))
			}}}},
		{name: "on hold", arrange: func(t *testing.T, l *lab) { l.run(t, "hold", "--domain", d).want(t, 0) }, ask: rotate,
			code: "on-hold"},
		{name: "not on hold", arrange: nothing, ask: []string{"unhold", "--domain", d}, code: "not-on-hold"},
		{name: "another keystore", arrange: func(t *testing.T, l *lab) {
			must(t, os.Rename(l.path("keys"), l.path("away")))
			must(t, os.Mkdir(l.path("keys"), 0o700))
		},
			ask: append(rotate, "--wait"), code: "key-missing",
			hands: []hand{{"restore it from a backup|names the right keystore", func(t *testing.T, l *lab) {
				must(t, os.RemoveAll(l.path("keys")))
				must(t, os.Rename(l.path("away"), l.path("keys")))
			}}}},
		{name: "an older keystore, and the active key is compromised", arrange: func(t *testing.T, l *lab) {
			olderKeystore(t, l)
			l.run(t, append(rotate, "--compromised")...).want(t, 3)
		}, ask: rotate, code: "old-keystore",
			hands: []hand{{"name two other selectors in the domain's policy, and run: 'dkimbot rotate --domain " + d +
				" --change-selectors'", func(t *testing.T, l *lab) {
				l.policy(t, "selectors: [a1, a2]")
				l.run(t, append(rotate, "--change-selectors", "--wait")...).want(t, 0, "the domain moves over from s1 and s2",
					"a1: signer mx1 signs with it now", "s1: key ", "was revoked in DNS")
			}}}},
		{name: "released", arrange: func(t *testing.T, l *lab) { l.run(t, "release", "--domain", d).want(t, 0) }, ask: rotate,
			code: "released"},
		{name: "released, and sent back",
			arrange: func(t *testing.T, l *lab) { l.run(t, "release", "--domain", d).want(t, 0) },
			ask:     []string{"rollback", "--domain", d}, code: "released"},
		{name: "released, other selectors, taken back", arrange: func(t *testing.T, l *lab) {
			l.run(t, "release", "--domain", d).want(t, 0)
			l.policy(t, "selectors: [a1, a2]")
		}, ask: []string{"release", "--domain", d, "--undo"}, code: "selectors-changed",
			hands: []hand{{`selectors: \[s1, s2\]`, func(t *testing.T, l *lab) { l.policy(t, "selectors: [s1, s2]") }}}},
		{name: "taken back, never released", arrange: nothing, ask: []string{"release", "--domain", d, "--undo"},
			code: "not-released"},
		{name: "sent back for nothing", arrange: nothing, ask: []string{"rollback", "--domain", d},
			code: "nothing-to-roll-back"},
		{name: "a signer that is not listed", arrange: nothing, ask: []string{"rollback", "--domain", d, "--signer", "mx9"},
			code:  "unknown-signer",
			hands: []hand{{"^name signers of the domain: mx1$", nil}}},
		{name: "a new domain is released", fresh: true, arrange: nothing, ask: []string{"release", "--domain", d},
			code: "not-managed"},
		{name: "a new domain's key is compromised", fresh: true, arrange: nothing, ask: append(rotate, "--compromised"),
			code: "not-managed"},
		{name: "outside of the windows",
			arrange: func(t *testing.T, l *lab) { l.policy(t, `windows: [{schedule: "0 4 29 2 *", duration: 1h}]`) },
			ask:     rotate, code: "window"},
		{name: "changes by plans only", arrange: func(t *testing.T, l *lab) { l.policy(t, "plan_only: true") }, ask: rotate,
			code: "plan-only"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, d).plain()
			if !tt.fresh {
				l.run(t, rotate...).want(t, 0)
			}
			tt.arrange(t, l)
			first := l.run(t, tt.ask...)
			if !strings.Contains(l.run(t, append(slices.Clone(tt.ask), "--json")...).out, `"code": "`+tt.code+`"`) {
				t.Fatalf("%s does not say %s but\n%s%s", first.line, tt.code, first.out, first.stderr)
			}
			l.walk(t, first, tt.ask, tt.hands)
			eventually(t, "the domain rotates", func() bool {
				r := l.run(t, append(rotate, "--wait", "--ignore-windows", "--ignore-plan-only")...)
				if r.code != 0 && r.code != 4 {
					t.Fatalf("after the hints were followed, %s ended with %d\n%s%s", r.line, r.code, r.out, r.stderr)
				}
				return r.code == 0
			})
			l.wantSound(t, d)
		})
	}
}

// hand is what a person does by hand when a hint says so: nil is to do without what was asked.
type hand struct {
	says string
	do   func(*testing.T, *lab)
}

// walk follows the hint of r, the answer to ask, and of what that leads to, to where nothing
// is refused.
func (l *lab) walk(t *testing.T, r result, ask []string, hands []hand) {
	t.Helper()
	seen := []string{r.line}
	for hint := ""; (r.code != 0 || strings.Contains(r.line, "--dry-run")) && len(seen) < 12; {
		if r.code != 0 {
			hint = hintOf(r)
		} // else a plan was saved: the same hint says what to do with it
		next := commandIn(hint, ask, seen)
		if i := slices.IndexFunc(hands, func(h hand) bool { return regexp.MustCompile(h.says).MatchString(hint) }); i >= 0 {
			if hands[i].do == nil {
				return
			}
			hands[i].do(t, l)
			seen = append(seen, "by hand: "+hands[i].says)
			hands, next = slices.Delete(slices.Clone(hands), i, i+1), ask
		}
		if next == nil {
			t.Fatalf("the hint leads nowhere: %s\nwent %s\n%s%s", hint, strings.Join(seen, "; "), r.out, r.stderr)
		}
		r = l.run(t, next...)
		seen = append(seen, r.line)
	}
	t.Log(strings.Join(seen, "; "))
	if r.code != 0 {
		t.Fatalf("the hints lead in a circle: %s", strings.Join(seen, "; "))
	}
}

// hintOf returns the first hint that a command gave.
func hintOf(r result) string {
	_, after, _ := strings.Cut(r.out+r.stderr, "hint: ")
	hint, _, _ := strings.Cut(after, "\n")
	return hint
}

var (
	quoted = regexp.MustCompile(`'dkimbot ([^']+)'`)
	flags  = regexp.MustCompile(`start it now with ((--[a-z-]+ ?)+)`)
)

// commandIn returns the first command in a hint that does something, and was not run before;
// where the hint names flags for what was asked, that with the flags.
func commandIn(hint string, ask, seen []string) []string {
	for _, m := range quoted.FindAllStringSubmatch(hint, -1) {
		line := strings.ReplaceAll(m[1], "FILE", "plan.json")
		only := strings.Contains(line, "--dry-run") && !strings.Contains(line, "--out")
		if !only && !slices.Contains(seen, "dkimbot "+line) {
			return strings.Fields(line)
		}
	}
	if m := flags.FindStringSubmatch(hint); m != nil {
		return append(slices.Clone(ask), strings.Fields(m[1])...)
	}
	return nil
}

func nothing(*testing.T, *lab) {}

func (l *lab) path(name string) string { return filepath.Join(l.Dir, name) }

// policy adds a line to the policy.
func (l *lab) policy(t *testing.T, line string) {
	t.Helper()
	key, _, _ := strings.Cut(line, ":")
	lines := slices.DeleteFunc(strings.Split(l.Policy, "\n"), func(s string) bool { return strings.HasPrefix(s, key+":") })
	l.Policy = strings.Join(append(lines, line), "\n")
	l.write(t)
}

// strange puts somebody else's record in the place of dkimbot's at a selector.
func (l *lab) strange(t *testing.T, domain, selector string) {
	t.Helper()
	l.zone(t, domain, selector+`._domainkey TXT "v=DKIM1; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA"`+"\n")
}

// clearRecords leaves no key record in the zone.
func clearRecords(t *testing.T, l *lab) { l.zone(t, "example.test", "") }

func loseStateDatabase(t *testing.T, l *lab) {
	t.Helper()
	files, err := filepath.Glob(l.path("state.db*"))
	must(t, err)
	for _, f := range files {
		must(t, os.Remove(f))
	}
}

// olderState restores a copy of the state that is two rotations old.
func olderState(t *testing.T, l *lab) {
	t.Helper()
	old := l.read(t, "state.db")
	rotateTwice(t, l)
	loseStateDatabase(t, l)
	l.file(t, "state.db", old)
}

// olderKeystore restores a copy of the keystore that is two rotations old.
func olderKeystore(t *testing.T, l *lab) {
	t.Helper()
	must(t, exec.Command("cp", "-rp", l.path("keys"), l.path("older")).Run())
	rotateTwice(t, l)
	must(t, os.RemoveAll(l.path("keys")))
	must(t, os.Rename(l.path("older"), l.path("keys")))
}

func rotateTwice(t *testing.T, l *lab) {
	t.Helper()
	for range 2 {
		eventually(t, "a rotation", func() bool { return l.run(t, "rotate", "--domain", "example.test", "--wait").code == 0 })
	}
}
