package house

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// harms are pieces of hints that break mail for whoever follows them, each with what happens then. A hint may say that
// something is to be removed only where it also says under which condition nothing needs it.
var harms = []struct{ hint, because string }{
	{`CNAME[^;:]*[:;,] remove it`, "a mail service signs by its CNAME, and its mail would fail (I2)"},
	{`^remove that line(;|$)`, "a signer's line is what its mail is signed by until dkimbot's own is in force (I1)"},
	{`was released, take `, "a domain whose line is taken out leaves unsigned (I1)"},
	{`remove the (block|record|dkim directives)\b`, "what signs or verifies now would be gone (I1, I2)"},
	{`^remove what dkimbot did not make`, "its maker may sign by it (I2)"},
	{`, then move it away`, "a signer may read it (I1)"},
	{`; destroy that version, or\b`, "where the state is an older copy, that version is the key in use (I1)"},
}

// bare are sentences of dkimbot-codes(7) that tell people to take something away, and say no condition: they know
// less than the hints, and so must be more careful.
var bare = regexp.MustCompile(`(^|, | and )([Rr]emove|[Dd]elete|[Dd]estroy|[Mm]ove|[Tt]ake) (the|it|its|that|those|them)\b`)

// unless are the words by which such a sentence says when it is harmless.
var unless = regexp.MustCompile(`\b(when|where|while|then|if|until|only)\b|^Leave the one of the key that signs|` +
	`^(Take it back with|.*remove it from the configuration)`)

// harmless are codes whose sentences move what no mail needs, or name a step of dkimbot's own.
var harmless = regexp.MustCompile("^\\| `(damaged-state|state-exists|outside-block|destroy)`")

// Whoever follows the list of codes breaks no mail.
func TestCodesDoNoHarm(t *testing.T) {
	text, err := os.ReadFile(root + "/cmd/internal/man/pages/dkimbot-codes.7.md")
	if err != nil {
		t.Fatal(err)
	}
	said := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| `") || harmless.MatchString(line) {
			continue
		}
		for sentence := range strings.SplitSeq(strings.Trim(strings.Split(line, " | ")[1], " |\n"), ". ") {
			said++
			if bare.MatchString(sentence) && !unless.MatchString(sentence) {
				t.Errorf("%.40s: %q says no condition under which nobody needs that", line, sentence)
			}
		}
	}
	if said < 300 {
		t.Errorf("%d sentences were read", said)
	}
}

// Whoever does what a hint says breaks no mail.
func TestHintsDoNoHarm(t *testing.T) {
	var all []*regexp.Regexp
	for _, h := range harms {
		all = append(all, regexp.MustCompile(h.hint))
	}
	hints := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "faults.txt" {
			return err
		}
		text, err := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			_, hint, found := strings.Cut(strings.TrimSpace(line), "hint: ")
			if !found {
				continue
			}
			hints++
			for i, harm := range all {
				if harm.MatchString(hint) {
					t.Errorf("%s: %q; %s", path, hint, harms[i].because)
				}
			}
		}
		return err
	})
	if err != nil || hints < 500 {
		t.Errorf("%d hints were read; %v", hints, err)
	}
}
