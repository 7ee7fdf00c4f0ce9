package show

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/show/screen"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Status writes where a domain stands and what comes next.
func (t Text) Status(st rotate.State) { domain{t, st}.write() }

// domain is where one stands.
type domain struct {
	Text
	st rotate.State
}

func (t domain) write() {
	t.heading(t.st.Domain, t.st.Phase)
	t.body()
}

// body writes what stands below the heading.
func (t domain) body() {
	st := t.st
	if st.Revision == 0 {
		t.Line("  ", "now", "nothing was done for it yet; 'dkimbot plan --domain "+st.Domain+"' shows what would be")
	}
	purged := st.Released != nil && !st.Released.Purged.IsZero() // then no key is left that a signer could sign with
	for _, name := range sortedKeys(st.Selectors) {
		if !purged {
			t.selector(name)
		}
	}
	for _, name := range sortedKeys(st.Signers) {
		c := st.Signers[name]
		if purged {
			continue
		}
		if c.Left {
			signs := "signed"
			if c.Signs {
				signs = "still signs"
			}
			fmt.Fprintf(t.W, "  signer %s, no longer listed since %s, %s with %s, %s\n", name, t.At(c.At), signs, c.Selector,
				keyWords(c.KeyID, "no key"))
			continue
		}
		fmt.Fprintf(t.W, "  signer %s signs with %s, %s, in effect from %s%s\n", name, c.Selector,
			keyWords(c.KeyID, "no key"), t.At(c.At), unconfirmed(st, name))
	}
	t.sentBack()
	t.onHold()
	t.released()
	t.leftovers()
	t.failures()
	left, _ := unsaid(st.Drift, nil, nil)
	for _, f := range left {
		t.finding(f)
	}
	t.next(st.Next, rotate.Reason{})
	fmt.Fprintln(t.W)
}

// unconfirmed says that a signer may sign with the target of a switch by now, though it has not confirmed that.
func unconfirmed(st rotate.State, signer string) string {
	if st.Phase != rotate.Switching || st.Signers[signer].Selector == st.Target || slices.Contains(st.Held, signer) {
		return ""
	}
	return "; its switch to " + st.Target + " is not confirmed yet"
}

func (t domain) failures() {
	st := t.st
	if st.Failures > 0 {
		fmt.Fprintf(t.W, "  %s %d in a row; the last one: %s\n", t.Red("failures:"), st.Failures,
			screen.Lines(st.LastError, "            "))
	}
}

func (t domain) selector(name string) {
	st := t.st
	words := "no key yet"
	if k := st.Selectors[name].Key; k != nil {
		words = keyWords(k.ID, "") + ", " + t.inDNS(*k)
	}
	if k := st.Selectors[name].Next; k != nil {
		words += "; to be replaced by " + keyWords(k.ID, "") + ", " + t.inDNS(*k)
	}
	if old := st.AlreadyReported(name); old != nil {
		words += "; the private " + keyWords(old.KeyID, "") + ", which is compromised, is yet to be destroyed"
	}
	fmt.Fprintf(t.W, "  %-4s %-9s %s\n", name, role(name, st), words)
}

// role says what a selector is for now, in the words of the design.
func role(name string, st rotate.State) string {
	switch {
	case name == st.Active:
		return "active"
	case name == st.Draining:
		return "draining"
	case st.Active == "":
		return "in the making"
	}
	return "standby"
}

func (t domain) inDNS(k rotate.Key) string {
	switch {
	case !k.RevokedAt.IsZero():
		return "compromised, revoked in DNS at " + t.At(k.RevokedAt)
	case !k.Leaked.IsZero():
		return "compromised, reported at " + t.At(k.Leaked) + " and yet to be revoked"
	case !k.VerifiedAt.IsZero() && k.Unasked:
		return "published; DNS is not asked whether it shows (verify.mode none)"
	case !k.VerifiedAt.IsZero():
		return "seen in DNS since " + t.At(k.VerifiedAt)
	case !k.PublishedAt.IsZero():
		return "published " + t.At(k.PublishedAt) + ", not seen on every server yet"
	}
	return "not published yet"
}

// Event writes one line of history, in one piece: on a terminal it breaks where it is too long.
func (t Text) Event(e rotate.Event) {
	outcome := string(e.Outcome)
	if e.Outcome != codes.OutcomeDone {
		outcome = t.Red(outcome)
	}
	line := fmt.Sprintf("%s  %-20s %-24s %s", e.At.UTC().Format(time.RFC3339), e.Domain, Attempt(e), outcome)
	if e.KeyID != "" {
		line += "  key " + dkim.ShortID(e.KeyID)
	}
	if e.Message != "" {
		line += "  " + strings.ReplaceAll(e.Message, "\n", " | ")
	}
	fmt.Fprintln(t.W, line+"  "+t.Dim("by "+e.By))
}

// Attempt names a step; an attempt that failed before its first step is one to plan.
func Attempt(e rotate.Event) string {
	return strings.Join(strings.Fields(strings.Join([]string{cmp.Or(string(e.Kind), "plan"), e.Selector, e.Signer}, " ")),
		" ")
}
