package show

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Result writes what became of a domain in a run.
func (t Text) Result(r engine.Result) { t.result(r, func() {}) }

// result writes more between what was done and what comes next.
func (t Text) result(r engine.Result, more func()) {
	t.heading(r.Domain, r.State.Phase)
	for _, e := range r.Done {
		fmt.Fprintf(t.W, "  %s %s%s\n", t.Green("done"), did(e), though(r.State, e))
	}
	var now rotate.Reason
	if len(r.Done) == 0 && r.Err == nil {
		now = r.Plan.Reason
		t.Line("  ", "now", cmp.Or(now.Message, "nothing to do"))
	}
	if r.Err != nil {
		t.problem("  ", r.Err)
	}
	unrevoked(t, r)
	more()
	domain{t, r.State}.released()
	t.next(r.State.Next, now)
	if r.Err != nil && r.YetToBegin() {
		t.Line("  ", "", yetToBegin(r.State))
	}
	t.drift(r.State.Drift, r.Err, r.Plan.Warnings)
	fmt.Fprintln(t.W)
}

// unrevoked names the compromised keys that a run has not revoked, because it failed or signers have to wait.
func unrevoked(t Text, r engine.Result) {
	for _, s := range report.Unrevoked(r.State) {
		key := r.State.Selectors[s].Key
		says := "until it is, whoever has it can sign mail of " + r.Domain
		if r.Seen.Fate(s, key.ID) >= rotate.Fails {
			says = "DNS does not show it now, so mail that is signed with it fails; if its record comes back, whoever has it can " +
				"sign mail of " + r.Domain
		}
		t.Line("  ", t.Red("still"), fmt.Sprintf("%s: the compromised key %s is not revoked yet; %s", s, dkim.ShortID(key.ID), says))
	}
}

// though says of a record that was published that its key is compromised, "" where it is not.
func though(st rotate.State, e rotate.Event) string {
	if e.Kind != rotate.Publish || !st.Leaked(e.Selector) || st.Selectors[e.Selector].Key.ID != e.KeyID {
		return ""
	}
	return ", though it is compromised: signers can't be given another one yet"
}

// Ended writes what became of many domains in a run: how many, and once more, because they scrolled
// by, those that failed. Of few it writes nothing.
func (t Text) Ended(results []engine.Result) {
	if len(results) <= manyDomains {
		return
	}
	var failed []engine.Result
	done, waiting, refused := 0, 0, 0
	for _, r := range results {
		switch {
		case report.Interrupted(r.Err):
			waiting++
		case r.Err != nil:
			failed = append(failed, r)
			if fault.KindOf(r.Err) == fault.Refused {
				refused++
			}
		case len(r.Done) > 0:
			done++
		default:
			waiting++
		}
	}
	counts := report.Count(len(results), "domain") + ":"
	for _, c := range []struct {
		n     int
		words string
	}{{done, "changed"}, {waiting, "with nothing done"}, {refused, "refused"}, {len(failed) - refused, "failed"}} {
		if c.n > 0 {
			counts += fmt.Sprintf(" %d %s,", c.n, c.words)
		}
	}
	fmt.Fprintln(t.W, t.Bold(strings.TrimSuffix(counts, ",")+"."))
	slices.SortFunc(failed, func(a, b engine.Result) int { return cmp.Compare(a.Domain, b.Domain) })
	for _, cause := range report.Alike(failures(failed), nil) {
		var names []string
		for _, i := range cause {
			names = append(names, failed[i].Domain)
		}
		title := some(names, manyDomains)
		if len(names) > 1 {
			title = report.Count(len(names), "domain") + ": " + title
		}
		fmt.Fprintln(t.W, t.Bold(title))
		t.problem("  ", failed[cause[0]].Err)
	}
}

// failures returns why domains failed.
func failures(failed []engine.Result) (out []report.Failure) {
	for _, r := range failed {
		out = append(out, report.Failure{Domain: r.Domain, Code: fault.CodeOf(r.Err), Message: fault.Text(r.Err)})
	}
	return out
}

// ResultOf returns how to write what became of one of so many domains in a run. Of many, one for which nothing was done
// and that failed is a line, and its hint comes with the others of that cause, in Ended.
func ResultOf(domains int) func(Text, engine.Result) {
	return func(t Text, r engine.Result) {
		if domains <= manyDomains || r.Err == nil || len(r.Done) > 0 || report.Interrupted(r.Err) {
			t.Result(r)
			return
		}
		outcome := codes.OutcomeFailed
		if fault.KindOf(r.Err) == fault.Refused {
			outcome = codes.OutcomeRefused
		}
		fmt.Fprintf(t.W, "%s  %s %s\n", t.Bold(r.Domain), t.Red(string(outcome)+":"),
			strings.ReplaceAll(fault.Text(r.Err), "\n", " | "))
	}
}

// yetToBegin says what becomes of a rotation that was asked for and has not begun. One away from
// a compromised key needs no request.
func yetToBegin(st rotate.State) string {
	if sel := st.Selectors[st.Active]; sel != nil && sel.Key != nil && !sel.Key.Leaked.IsZero() {
		return fmt.Sprintf("signers have not left %s, whose key is compromised; that is tried again by itself", st.Active)
	}
	return "the rotation that was asked for has not begun, and begins by itself only when the schedule makes one due"
}

// did describes a carried out step in words.
func did(e rotate.Event) string {
	key := keyWords(e.KeyID, "")
	switch e.Kind {
	case rotate.StoreKey:
		if e.Code == codes.KeptAlready {
			return fmt.Sprintf("%s: %s was in the keystore already; it was read back, and is taken up", e.Selector, key)
		}
		return fmt.Sprintf("%s: %s was made, kept in the keystore and read back", e.Selector, key)
	case rotate.Adopt:
		return fmt.Sprintf("%s: %s was adopted: it is kept in the keystore, and it and its record are dkimbot's from now on",
			e.Selector, key)
	case rotate.Publish:
		return fmt.Sprintf("%s: the record of %s was published", e.Selector, key)
	case rotate.Verify:
		return strings.TrimSuffix(fmt.Sprintf("%s, %s: %s", e.Selector, key, e.Message), ": ")
	case rotate.Activate:
		return fmt.Sprintf("%s: signer %s signs with it now (%s)", e.Selector, e.Signer, key)
	case rotate.Drain:
		return e.Selector + ": its drain began; " + drains(e.Code)
	case rotate.Destroy:
		if e.Code == codes.GoneAlready {
			return fmt.Sprintf("%s: the old %s was missing from the keystore already", e.Selector, key)
		}
		return fmt.Sprintf("%s: the old %s was destroyed", e.Selector, key)
	case rotate.Revoke:
		return strings.TrimSuffix(fmt.Sprintf("%s: %s was revoked in DNS; %s", e.Selector, key, e.Message), "; ")
	case rotate.ReportCompromised:
		if e.Code == codes.NoKeyYet || e.Code == codes.GoneAlready {
			return e.Selector + ": " + e.Message
		}
		return reported(e, "was")
	case rotate.RollBack, rotate.Resume, rotate.ReleaseDomain, rotate.PutOnHold, rotate.EndHold, rotate.Believe,
		rotate.Rename, rotate.RenewStandby, rotate.NewSelectors, rotate.Accounts:
		return e.Message
	case rotate.Applied:
		return e.Message + "; it can't be applied again"
	}
	return strings.TrimSpace(string(e.Kind) + " " + e.Selector)
}

// drains says whether mail in flight verifies while a selector drains; found is what DNS shows there instead of its
// record, "" for nothing else.
func drains(found codes.Code) string {
	switch found {
	case codes.RecordForeign:
		return "a record that is not its own stands in its place: mail in flight that was signed with it fails"
	case codes.RecordVanished:
		return "its record is missing from DNS: mail in flight that was signed with it fails until it is back"
	}
	return "it stays published"
}
