package meaning_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/show/meaning"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

var now = time.Date(2026, 12, 1, 4, 0, 0, 0, time.UTC)

// TestMailOfSilentSigner: true words: of a signer that did not answer it is not said that it does
// not sign.
func TestMailOfSilentSigner(t *testing.T) {
	silent, s2 := rotate.SignerSeen{Err: errors.New("down")},
		rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Domain: "a.test", Selector: "s2"}}}
	step := func(signer string) rotate.Step {
		return rotate.Step{Kind: rotate.Activate, Selector: "s1", Signer: signer}
	}
	p := rotate.DomainPlan{Name: "a.test", Steps: []rotate.Step{step("mx1"), step("mx2")},
		Seen: rotate.Observation{Signers: map[string]rotate.SignerSeen{"mx1": silent, "mx2": s2}}}
	if got := meaning.ForMail(p, now); !strings.HasPrefix(got,
		"Mail continues to be signed with an unknown key (mx1) and s2 (mx2) until this is carried out, then with s1.") {
		t.Error(got)
	}
	p.Seen.Signers["mx2"] = silent
	if got := meaning.ForMail(p, now); !strings.HasPrefix(got,
		"What signs mail today is not known, since mx1, mx2 did not answer; "+
			"as soon as this is carried out it is signed with s1.") {
		t.Error(got)
	}
}

// TestMailOfUnfitKey: true words: of mail that fails because of its algorithm it is not said that a step changes that.
func TestMailOfUnfitKey(t *testing.T) {
	at := rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Domain: "a.test", Selector: "s1"}, KeyID: "unfit-for-rsa-sha1"}}
	p := rotate.DomainPlan{Name: "a.test", Steps: []rotate.Step{{Kind: rotate.Activate, Selector: "s1", Signer: "mx1",
		From: rotate.Side{Selector: "s1", KeyID: "unfit-for-rsa-sha1"}, To: rotate.Side{Selector: "s1", KeyID: "k1"}}},
		Seen: rotate.Observation{Signers: map[string]rotate.SignerSeen{"mx1": at}}}
	if got := meaning.ForMail(p, now); !strings.HasPrefix(got,
		"Mail is signed with s1 by an algorithm that does not fit the key, and fails until the signer has one that does.") {
		t.Error(got)
	}
}

// TestMailOfRevokedKey: true words: what signers continue to sign with a revoked key fails too, and
// so does what they sign where another record stands.
func TestMailOfRevokedKey(t *testing.T) {
	at := func(selector string) rotate.SignerSeen {
		return rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Domain: "a.test", Selector: selector}}}
	}
	p := rotate.DomainPlan{Name: "a.test", Steps: []rotate.Step{{Kind: rotate.Revoke, Selector: "s2"}},
		Seen: rotate.Observation{Signers: map[string]rotate.SignerSeen{"mx1": at(""), "mx2": at("s2")}}}
	if got := meaning.ForMail(p, time.Time{}); !strings.Contains(got,
		"in flight or new: its key is revoked, and mx2 still signs with it") {
		t.Error(got)
	}
	p.Steps = append(p.Steps, rotate.Step{Kind: rotate.Activate, Selector: "s1", Signer: "mx2"})
	if got := meaning.ForMail(p, time.Time{}); !strings.Contains(got, "Mail signed with s2 that is still in flight fails") {
		t.Error(got)
	}
	p.Steps, p.Drift = nil, []finding.Finding{{Code: codes.RecordForeign, Selector: "s2"},
		{Code: codes.RecordForeign, Selector: "s1"}}
	if got := meaning.ForMail(p, time.Time{}); !strings.HasSuffix(got,
		"Mail signed with s2 (mx2) fails to verify while a record that is not dkimbot's stands there.") ||
		strings.Contains(got, "with s1") {
		t.Error(got)
	}
}

// TestMailOfANameThatIsLedAway: true words: mail that is signed with a selector whose name leads to another domain's
// record fails, where every server shows that one; where none is found at the name, it may fail.
func TestMailOfANameThatIsLedAway(t *testing.T) {
	taken, circle := fault.Refuse(codes.SharedName, "both lead to one name", ""), fault.Lasting("look up", errors.New("circle"), "")
	twin := rotate.Sight{Owner: "s1._domainkey.a.test", Values: []string{"v=DKIM1; k=rsa; p=AAAA"}, Complete: true}
	another := rotate.Sight{Values: []string{"v=DKIM1; k=rsa; p=AAAA"}, Complete: true}
	for _, c := range []struct {
		seen rotate.SelectorSeen
		says string
	}{
		{rotate.SelectorSeen{Sight: another, SightErr: taken},
			" Mail signed with s2 (mx1) fails to verify while that name leads to another domain's record."},
		{rotate.SelectorSeen{Sight: rotate.Sight{Values: another.Values}, SightErr: taken},
			" Mail signed with s2 (mx1) may fail to verify while that name leads to another domain's record."},
		{rotate.SelectorSeen{Sight: twin, SightErr: taken},
			" Mail signed with s2 (mx1) fails to verify while that name leads to the record of s1."},
		{rotate.SelectorSeen{Sight: rotate.Sight{Complete: true}, SightErr: circle},
			" Mail signed with s2 (mx1) fails to verify while that name leads to no record."},
		{rotate.SelectorSeen{SightErr: circle},
			" Mail signed with s2 (mx1) may fail to verify while no record is found at that name."},
		{rotate.SelectorSeen{SightErr: fault.Temporary("look up", errors.New("no answer"), "")}, ""},
		{rotate.SelectorSeen{Sight: another}, ""}, // it was unseen at the last health check
	} {
		p := rotate.DomainPlan{Name: "a.test", Drift: []finding.Finding{{Code: codes.RecordUnseen, Selector: "s2"}},
			Seen: rotate.Observation{Selectors: map[string]rotate.SelectorSeen{"s2": c.seen}, Signers: map[string]rotate.SignerSeen{
				"mx1": {Ref: dkim.Ref{Name: dkim.Name{Domain: "a.test", Selector: "s2"}, KeyID: "k"}}}}}
		if got := meaning.ForMail(p, now); got != "Nothing changes; mail continues to be signed with s2."+c.says {
			t.Errorf("%v: %s", c.seen, got)
		}
	}
}

// TestMailOfLeftKey: true words: what is said of mail that a signer has signed with the key that it
// is to leave agrees with what DNS shows, also where the state is older than DNS.
func TestMailOfLeftKey(t *testing.T) {
	record := func(k *dkim.PrivateKey) string { return dkim.NewRecord(k.Public(), "").String() }
	made := func() *dkim.PrivateKey {
		k, err := dkim.Generate(dkim.Ed25519)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	used, other := made(), made()
	shows := func(values ...string) rotate.Observation {
		return rotate.Observation{Selectors: map[string]rotate.SelectorSeen{"s2": {Sight: rotate.Sight{Values: values,
			Complete: true}}, "s1": {}},
			Signers: map[string]rotate.SignerSeen{"mx1": {Ref: dkim.Ref{Name: dkim.Name{Domain: "a.test", Selector: "s2"},
				KeyID: used.ID()}}}}
	}
	back := rotate.Step{Kind: rotate.Activate, Selector: "s1", Signer: "mx1",
		Reason: rotate.Reason{Code: codes.SignerStrays}, From: rotate.Side{Selector: "s2", KeyID: used.ID()}}
	for want, seen := range map[string]rotate.Observation{
		"with s2 verifies, because its key record is in DNS as well":                 shows(record(used)),
		"with s2 fails to verify: DNS does not show the key that it was signed with": shows(record(other)),
		"with s2 fails to verify: its key was revoked":                               shows("v=DKIM1; k=ed25519; p="),
	} {
		if got := meaning.ForMail(rotate.DomainPlan{Name: "a.test", Steps: []rotate.Step{back}, Seen: seen},
			time.Time{}); !strings.Contains(got, want) {
			t.Errorf("%s; want %s", got, want)
		}
	}
	p := rotate.DomainPlan{Name: "a.test", Seen: shows(record(used)),
		Drift: []finding.Finding{{Code: codes.RecordForeign, Selector: "s2"}}}
	if got := meaning.ForMail(p, time.Time{}); strings.Contains(got, "fails") {
		t.Error(got)
	}
}
