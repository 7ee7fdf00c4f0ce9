package finding_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// says wants a text that has each piece, and none of those that begin with an exclamation mark.
func says(t *testing.T, what, text string, pieces ...string) {
	t.Helper()
	for _, piece := range pieces {
		not := strings.HasPrefix(piece, "!")
		if strings.Contains(text, strings.TrimPrefix(piece, "!")) == not {
			t.Errorf("%s: it says %q, want %q", what, text, piece)
		}
	}
}

// TestLostSays: who reads that mail fails learns whether all of it does, and where the selector's name leads.
func TestLostSays(t *testing.T) {
	signers := []string{"mx1", "mx2"}
	says(t, "some", finding.Lost("d.test", "s1", signers, false, "", "", false).Message, "mail of d.test through mx1, mx2 fails",
		"no record of dkimbot's", "!all mail")
	says(t, "all", finding.Lost("d.test", "s1", signers, true, "", "", false).Message, "all mail of d.test fails", "!through")
	says(t, "led away", finding.Lost("d.test", "s1", signers, true, "s9.e.test", "", false).Message,
		"whose name leads to s9.e.test", "!no record")
}

// TestLostSince: mail with a selector's key fails since that was found, and since now where it was not found before.
func TestLostSince(t *testing.T) {
	now := time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)
	since := func(f finding.Finding) time.Time { return finding.LostSince([]finding.Finding{f}, "s1", now) }
	found := finding.Finding{Code: codes.MailFails, Selector: "s1", Since: now.Add(-time.Hour)}
	other, another := found, found
	other.Selector, another.Code = "s2", codes.RecordForeign
	if got := since(found); !got.Equal(found.Since) {
		t.Errorf("it fails since %s", got)
	}
	for _, f := range []finding.Finding{other, another} {
		if got := since(f); !got.Equal(now) {
			t.Errorf("%+v: mail with s1 fails since %s", f, got)
		}
	}
}

// TestRevokedByOthersSays: a key is to be destroyed in the keystore only where there is one that may be the revoked one.
func TestRevokedByOthersSays(t *testing.T) {
	says(t, "one is kept", finding.RevokedByOthers("s1.d.test", "abc", true), "key abc", "destroy it there")
	says(t, "none is kept", finding.RevokedByOthers("s1.d.test", "", true), "!destroy it")
	says(t, "it is not used", finding.RevokedByOthers("s1.d.test", "abc", false), "!destroy it")
}

// TestTroubledAsks: a person is asked only where an error says what to do, and does not pass by itself.
func TestTroubledAsks(t *testing.T) {
	for title, c := range map[string]struct {
		err    error
		repair string
		asks   bool
	}{
		"it lasts":       {fault.Lasting("ask mx1", errors.New("no"), "start it"), "start it", true},
		"it passes":      {fault.Temporary("ask mx1", errors.New("no"), "wait"), "it is asked again", false},
		"no hint is had": {fault.Lasting("ask mx1", errors.New("no"), ""), "it is asked again", false},
	} {
		f := finding.Troubled(codes.SignerSilent, "", "mx1", c.err, "it is asked again")
		if f.Repair != c.repair || f.Asks != c.asks {
			t.Errorf("%s: %+v", title, f)
		}
	}
}

// TestThings: a finding is known by what it is about; what could not be asked is taken to be as it was.
func TestThings(t *testing.T) {
	for code, c := range map[codes.Code]struct {
		kind    finding.ThingKind
		unasked bool
	}{
		codes.RecordForeign:   {finding.TheRecord, false},
		codes.RecordUnseen:    {finding.TheRecord, true},
		codes.KeyMissing:      {finding.TheKey, false},
		codes.KeyUnread:       {finding.TheKey, true},
		codes.MailFails:       {finding.TheExposure, false},
		codes.RecordElsewhere: {finding.TheAccount, false},
		codes.SignerSilent:    {finding.TheSigner, true},
		codes.SignerStrays:    {finding.TheSigner, false},
	} {
		f := finding.Finding{Code: code, Selector: "s1", Signer: "mx1"}
		if want := (finding.Thing{Kind: c.kind, Selector: "s1", Signer: "mx1"}); f.Thing() != want || f.Unasked() != c.unasked {
			t.Errorf("%s: %+v, unasked %t", code, f.Thing(), f.Unasked())
		}
	}
}

// TestOneCause: an error covers a finding that has the same cause at the same selector, and no other.
func TestOneCause(t *testing.T) {
	f := finding.Finding{Code: codes.RecordForeign, Selector: "s1", Cause: codes.StaleState}
	err := func(code codes.Code, selector string) error {
		return finding.WithThing(finding.Thing{Kind: finding.TheKey, Selector: selector}, fault.Refuse(code, "old", "restore"))
	}
	for want, errs := range map[bool][]error{true: {err(codes.StaleState, "s1")},
		false: {err(codes.StaleState, "s2"), err(codes.OldKeystore, "s1")}} {
		for _, err := range errs {
			if f.CoveredBy(err) != want {
				t.Errorf("%+v covers it: %t", err, !want)
			}
		}
	}
	if exposed := err(codes.StaleState, "s1"); finding.Concerns(finding.TheExposure, exposed) || !finding.Concerns(finding.TheKey, exposed) {
		t.Error("an error about a key is taken for one about an exposure")
	}
}

// TestPartedReported: a report is of the keys with its id at former accounts, and the history names those accounts.
func TestPartedReported(t *testing.T) {
	now := time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)
	all := finding.Partings{{Account: "old", Selector: "s1", KeyID: "1"}, {Account: "far", Selector: "s2", KeyID: "2"}}
	says(t, "a report", all.Reported("1", now), "the DNS account old", "!far")
	if !all[0].Leaked.Equal(now) || !all[1].Leaked.IsZero() {
		t.Errorf("noted is %+v", all)
	}
}

// TestSharedSays: who reads that two names lead to one place learns of a DNAME record on the way, and what may be removed.
func TestSharedSays(t *testing.T) {
	name, other := dkim.Name{Domain: "d.test", Selector: "s1"}, dkim.Name{Domain: "e.test", Selector: "s1"}
	text := func(dname string, role finding.Role) string {
		err := finding.Shared(name, other, "s1.keys.test", dname, role)
		return err.Error() + " / " + fault.HintOf(err)
	}
	says(t, "a CNAME", text("", finding.OfManaged), "give s1._domainkey.d.test a name", "!DNAME", "--domain e.test --purge")
	says(t, "a DNAME", text("_domainkey.d.test", finding.OfManaged), ", by the DNAME record at _domainkey.d.test",
		"remove the DNAME at _domainkey.d.test", "!a CNAME target of its own")
	says(t, "no domain's", text("", finding.OfNobody), "remove what stands at s1.keys.test: dkimbot made it for e.test",
		"or give s1._domainkey.d.test", "!--purge")
}
