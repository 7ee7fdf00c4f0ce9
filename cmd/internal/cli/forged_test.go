package cli_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/planfile"
)

// TestForgedPlan: who can write a plan's file, and compute its checksum, makes neither a
// reader see anything else than what would be done, nor apply do anything else. A plan of
// another machine's state is refused by name.
func TestForgedPlan(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	l.serve(t)
	l.run(t, "plan", "--out", "first.json").want(t, 0)
	l.forge(t, "first.json", "misleading.json", func(d *planfile.Document) {
		for i := range d.Domains[0].Steps {
			s := &d.Domains[0].Steps[i]
			s.Target, s.Reason.Message, s.Before["record"] = "LIES", "LIES", "LIES"
		}
		d.Domains[0].Reason.Message, d.Warnings, d.Domains[0].Warnings = "LIES", []string{"LIES"}, []string{"LIES"}
	})
	for _, form := range []string{"text", "markdown", "json"} {
		if out := l.run(t, "show", "misleading.json", "--format", form).want(t, 0, "signer mx1",
			"nsigned").out; strings.Contains(out, "LIES") {
			t.Errorf("as %s the file's own words are shown:\n%s", form, out)
		}
	}
	l.run(t, "apply", "first.json").want(t, 0)
	eventually(t, "the standby may be used", func() bool {
		return strings.Contains(l.run(t, "rotate", "--domain", "example.test", "--dry-run", "--out",
			"switch.json").out, "activate")
	})
	for title, change := range map[string]func(*planfile.Document){
		"words":     func(d *planfile.Document) { d.Domains[0].Reason.Message = "a look, changes nothing" },
		"signature": func(d *planfile.Document) { d.Signature = "hmac-sha256:" + strings.Repeat("0", 64) },
		"time":      func(d *planfile.Document) { d.ExpiresAt = d.ExpiresAt.Add(time.Hour) },
		"state":     func(d *planfile.Document) { d.Domains[0].Preconditions.Revision++ },
	} {
		l.forge(t, "switch.json", "forged.json", change)
		l.run(t, "show", "forged.json").want(t, 3, "was changed after it was made", "hint:")
		if r := l.run(t, "apply", "forged.json").want(t, 3, "was changed after it was made", "hint:"); r.out != "" {
			t.Errorf("%s: something was done:\n%s", title, r.out)
		}
	}
	l.forge(t, "switch.json", "old.json", func(d *planfile.Document) { d.Signature = "" })
	l.run(t, "apply", "old.json").want(t, 3, "it is not signed", "make the plan again")
	l.run(t, "show", "old.json").want(t, 0, "stale: it is not signed", "activate  signer mx1")
	l.forge(t, "switch.json", "stateless.json", func(d *planfile.Document) { d.Signature, d.Lineage = "", "" })
	l.run(t, "apply", "stateless.json").want(t, 3, "it is for example.test, of which there was a state when it was made")

	other := newLab(t, "example.test")
	other.run(t, "rotate", "--due").want(t, 0)
	other.file(t, "switch.json", l.read(t, "switch.json"))
	other.run(t, "apply", "switch.json").want(t, 3, "it belongs to another state (lineage ")
	other.run(t, "show", "switch.json").want(t, 0, "stale: it belongs to another state", "unsigned: ")
	l.run(t, "apply", "switch.json").want(t, 0, "signer mx1 signs with it now")
}

// forge writes a changed copy of a plan with a checksum that fits.
func (l *lab) forge(t *testing.T, from, to string, change func(*planfile.Document)) {
	t.Helper()
	var doc planfile.Document
	must(t, json.Unmarshal([]byte(l.read(t, from)), &doc))
	change(&doc)
	doc.Checksum = ""
	doc.Checksum = fmt.Sprintf("sha256:%x", sha256.Sum256(doc.Encode()))
	l.file(t, to, string(doc.Encode()))
}
