package health

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/follow"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// Drift compares what is there with what should be, and says of each difference what dkimbot does about it: what Plan
// plans. It reads nothing and changes nothing. A domain for which nothing was done yet can't differ.
func Drift(now time.Time, want rotate.Domain, have rotate.State, seen rotate.Observation) []finding.Finding {
	return (&Check{*NewJudge(now, want, have, seen)}).Drift()
}

// Drift returns what is not as it should be.
func (h *Check) Drift() []finding.Finding {
	h.Want = Managing(h.Want, h.Have)
	want, have, seen := h.Want, h.Have, h.Seen
	var out []finding.Finding
	add := func(f *finding.Finding) {
		if f != nil {
			out = append(out, *f)
		}
	}
	for _, s := range have.Earlier.Names() {
		add(follow.MailFails(have, seen, want.Signers, s))
		add(h.leftDrift(s))
		add(h.ExposedLeft(s))
	}
	out = append(out, follow.Elsewhere(have, want.Name)...)
	for _, name := range want.Signers {
		add(follow.Unserved(have, seen, name))
	}
	for _, name := range slices.Sorted(maps.Keys(seen.Dismissed)) {
		add(follow.OffTheList(have, seen, name))
	}
	if have.Released != nil || have.Phase == rotate.New || have.Phase == "" || !h.KnowsSelectors() {
		return out
	}
	add(follow.Exchanged(have, want))
	add(MailFails(h))
	add(h.mailLost(have.Active))
	add(h.mailLost(have.Target))
	for _, s := range want.Policy.Selectors {
		if _, looked := seen.Selectors[s]; looked {
			add(h.recordDrift(s))
			add(h.KeyDrift(s))
		}
	}
	for _, name := range want.Signers {
		add(h.SignerDrift(name))
		add(follow.Waiting(have, seen, name))
		if seen.Signers[name].Err == nil { // else that is reported as it is
			add(finding.Stuck(name, cmp.Or(h.WouldRefuse(name, have.Active), seen.Signers[name].Refuses)))
			add(finding.Overruled(name, seen.Signers[name].Overruled))
			add(finding.Unkept(name, seen.Signers[name].Unkept, h.WouldRefuse(name, have.Active)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have.Signers)) {
		if follow.OffTheList(have, seen, name) == nil {
			add(h.LeftOver(name))
		}
	}
	return out
}

// recordDrift says how what DNS shows differs from what should stand there.
func (h *Check) recordDrift(s string) *finding.Finding {
	sight := At(h.Seen, s).Sight
	switch h.Standing(s) {
	case Unseen:
		return finding.Troubled(codes.RecordUnseen, s, "", At(h.Seen, s).SightErr,
			"DNS is asked again; until it answers, nothing is changed")
	case Foreign:
		code := codes.RecordForeign
		if slices.ContainsFunc(sight.Values, selectorOf(h.Have, s).Ours) { // one beside it is not
			code = codes.RecordSecond
		}
		err := h.ForeignRecord(s, sight)
		return &finding.Finding{Code: code, Selector: s, Message: fault.Text(err), Repair: fault.HintOf(err), Asks: true,
			Cause: finding.CauseOf(err)}
	case Changing:
		if lost := h.Lost(s); lost != nil {
			return lost
		}
		if len(sight.Bogus) > 0 {
			return &finding.Finding{Code: codes.RecordBogus, Selector: s, Asks: true, Repair: finding.BogusHint,
				Message: fmt.Sprintf("validating resolvers reject the record at %s: %s", h.Name(s),
					strings.Join(sight.Bogus, "; "))}
		}
		return &finding.Finding{Code: codes.ServersDiffer, Selector: s,
			Message: fmt.Sprintf("not every server shows the same at %s: %s", h.Name(s), strings.Join(sight.Lagging, "; ")) +
				exposedAt(&h.Judge, s),
			Repair: "dkimbot looks again, and begins nothing that relies on the record until all agree; " +
				"if this lasts, look at the zone's transfers"}
	}
	if lost := h.Lost(s); lost != nil {
		return lost
	}
	return h.rewritten(s)
}

// A record that was written may need as long as this to show everywhere; later it is published again. That is short for
// several DNS accounts, and long for one, where mostly a server is slow.
const spreading, spreadingSlowly = 10 * time.Minute, time.Hour

// Scattered reports whether a DNS account does not show the record of a key: it is listed since then, or lost it. Of
// one account only a server is known that shows nothing, which may be where it is written; no flight waits for that.
func (h *Check) Scattered(s string, key *rotate.Key) bool {
	sight, several := At(h.Seen, s).Sight, len(h.Want.Also) > 0
	return h.Standing(s) == Changing && !sight.Silent && len(sight.Bogus) == 0 && !h.spreads(s, key) && (several ||
		shown.Nothing(sight) && !h.Flight(s) && !h.Now.Before(key.PublishedAt.Add(spreadingSlowly)))
}

// spreads reports whether every account took a key's record a short while ago, and it may not show everywhere yet.
func (h *Check) spreads(s string, key *rotate.Key) bool {
	i := h.Have.Intent
	begun := i != nil && i.Kind == rotate.Publish && i.Selector == s
	return key.VerifiedAt.IsZero() && h.Now.Before(key.PublishedAt.Add(spreading)) && !begun
}

// Lost says how a record that stood at the selector's name does so no more, or
// not alone, though no other record is in the way: it is to be published again.
func (h *Check) Lost(s string) *finding.Finding {
	sel := selectorOf(h.Have, s)
	if sel.Next != nil || sel.Key == nil || h.GivenUp(s) || h.Have.Phase == rotate.Bootstrapping &&
		sel.Key.VerifiedAt.IsZero() && h.Have.Selectors[s] != nil {
		return nil
	}
	f := finding.Finding{Selector: s, Repair: "it is published again by itself" + h.Again(s)}
	switch h.Standing(s) {
	case Absent:
		f.Code, f.Message = codes.RecordVanished,
			fmt.Sprintf("the record that dkimbot published at %s is missing from DNS", h.Name(s))
		if bogus := At(h.Seen, s).Sight.Bogus; len(bogus) > 0 {
			f.Message += "; it may be cut out of the signed zone: " + strings.Join(bogus, "; ")
		}
	case Earlier:
		if h.Have.Leaked(s) && h.otherTags(s) != "" { // it is revoked, and not published again
			return nil
		}
		f.Code, f.Message = codes.RecordEarlier, fmt.Sprintf("%s shows a record that dkimbot had replaced (key %s)",
			h.Name(s), dkim.ShortID(dkim.RecordKeyID(At(h.Seen, s).Sight.Values[0])))
		if dkim.RevokedValue(At(h.Seen, s).Sight.Values[0]) {
			f.Message = fmt.Sprintf("%s shows a record without a key, as dkimbot had published it to revoke one", h.Name(s))
		}
	case Doubled:
		f.Code, f.Message = codes.RecordsDoubled,
			fmt.Sprintf("%s shows two of dkimbot's records, and receivers may take either", h.Name(s))
	case Changing:
		if !h.Scattered(s, sel.Key) {
			return nil
		}
		who, fails := "server", ""
		if len(h.Want.Also) > 0 {
			who = "DNS account of the domain (" + h.Want.Through() + ")"
		}
		if h.mayBeUsed(s) && shown.Nothing(At(h.Seen, s).Sight) {
			fails = "; mail that is signed with its key fails where receivers ask there"
		}
		f.Code, f.Message = codes.ServersDiffer, fmt.Sprintf("not every %s shows the record at %s: %s%s", who, h.Name(s),
			strings.Join(At(h.Seen, s).Sight.Lagging, "; "), fails)
	case Foreign: // it stays where it stands, and is no reason to leave another account without a record
		if sight := At(h.Seen, s).Sight; !Lacking(&h.Judge, s) || len(sight.Bogus) > 0 {
			return nil
		}
		f.Code, f.Message = codes.ServersDiffer, fmt.Sprintf("a DNS account of the domain (%s) shows no record at %s",
			h.Want.Through(), h.Name(s))
	default:
		return nil
	}
	if h.Superseded(s) {
		f.Repair, f.Asks = "it is not published again: the keystore holds another key in its place; "+
			"see what is said of that", true
	}
	return follow.NotThere(h.Have, h.Want, f)
}

// SignerDrift says how a signer signs otherwise than it confirmed. One that is new has nothing to differ from.
func (h *Check) SignerDrift(name string) *finding.Finding {
	seen, looked := h.Seen.Signers[name]
	c, known := h.Have.Signers[name]
	ref := h.Have.Identify(seen.Ref)
	switch {
	case !looked:
		return nil
	case seen.Err != nil:
		return finding.Silent(name, seen.Err, h.Have.Emergency())
	case dkim.UnfitFor(ref.KeyID) != "":
		return finding.Unfit(name, ref.Selector, dkim.UnfitFor(ref.KeyID))
	case !known || h.rightful(ref.Selector, ref.KeyID):
		return nil
	}
	should := cmp.Or(h.Have.Active, h.Have.Target, c.Selector)
	usual := "it is brought back to " + should + " by itself"
	if ref.Selector == "" || h.Have.Phase == rotate.Bootstrapping {
		usual = "it is given the key of " + should + " by itself"
	}
	f := finding.Finding{Code: codes.SignerStrays, Signer: name}
	f.Repair, f.Asks = h.brought(name, should, usual)
	key, leaked := h.Have.Selector(ref.Selector).Key, ""
	if key != nil && key.ID == ref.KeyID && ref.Selector == should {
		return nil // the state does not say which selector signs
	}
	if h.Have.Leaked(ref.Selector) {
		leaked = ", whose key is compromised,"
	}
	switch {
	case ref.Selector == "":
		f.Code, f.Message = codes.SignerEmpty,
			fmt.Sprintf("signer %s does not sign for %s any more, as a host that was built again; "+
				"its mail leaves unsigned or is turned away", name, h.Want.Name)
	case key != nil && key.ID == ref.KeyID:
		f.Message = fmt.Sprintf("signer %s signs with %s%s and not with %s; %s", name, ref.Selector, leaked, should,
			h.fate(ref, "its mail verifies as long as both are published"))
	case key != nil, slices.Contains(h.Want.Policy.Selectors[:], ref.Selector):
		f.Message = fmt.Sprintf("signer %s signs with %s and key %s, which is not the one that dkimbot has there; %s", name,
			ref.Selector, dkim.ShortID(ref.KeyID), h.fate(ref, "its mail verifies, because DNS shows that key"))
	default:
		f.Message = fmt.Sprintf("signer %s signs with %s and not with %s; dkimbot knows nothing of that selector", name,
			ref.Selector, should)
	}
	f.Message += finding.Contested(c.Undone)
	return &f
}

// fate says what becomes of mail that a signer signs; good where DNS shows the key.
func (h *Check) fate(ref dkim.Ref, good string) string {
	sel, at := h.Have.Selector(ref.Selector), At(h.Seen, ref.Selector)
	switch h.Seen.Fate(ref.Selector, ref.KeyID) {
	case rotate.Verifies:
		if h.InTestMode(ref.Selector) {
			return "receivers treat its mail as unsigned, because somebody has put that record in test mode (t=y)"
		}
		return good
	case rotate.Fails:
		return "its mail fails, because DNS does not show that key"
	case rotate.Disowned:
		return "its mail fails, because the key was revoked"
	}
	// it was published, and DNS says nothing else now
	unasked := at.SightErr != nil || at.Sight.Unchecked || at.Sight.Silent && shown.Of(at.Sight, sel.Key) != ""
	if unasked && sel.Key != nil && sel.Key.ID == ref.KeyID && !sel.Key.GivenUp() {
		return good
	}
	return "its mail may fail, because not every name server is known to show that key alone"
}

// brought says what is done about a signer that should sign with a selector: usual, unless the
// key is compromised, so that signers leave it, or can't be given, or another record stands in the place of its own.
func (h *Check) brought(signer, should, usual string) (says string, asks bool) {
	anyhow := h.Unsigned(signer) && h.InTestMode(should)
	switch to := h.Refuge(); {
	case h.goesElsewhere(should) != "":
		return fmt.Sprintf("it is given the key of %s by itself, with the others", h.goesElsewhere(should)), false
	case h.Have.Leaked(h.Have.Draining) && (h.HandsOff(should) && !anyhow || Lacks(&h.Judge, signer, should)):
		return fmt.Sprintf("it is given the fresh key of %s by itself as soon as every server shows it", h.Have.Draining), false
	case to != "" && !Barred(&h.Judge, to) && !h.OutOfKeystore(signer, to) && !MovedOn(&h.Judge, signer):
		return fmt.Sprintf("signers leave %s, whose key is compromised: it is given the key of %s by itself", should, to), false
	case h.carriesOn(signer):
		return fmt.Sprintf("the switch in progress gives it the key of %s by itself", h.Have.Target), false
	case h.Stale(should), MovedOn(&h.Judge, signer):
		return "nothing is changed until the state is a newer one; see what is said of that", false
	case h.Have.Leaked(should) && (h.LostForGood(should) || h.HandsOff(should) || to != "" && h.MayRevoke(should)):
		return fmt.Sprintf("the key of %s is compromised and no signer is given it again; "+
			"it gets the next good key by itself as soon as there is one", should), false
	case h.HandsOff(should) && !anyhow:
		return fmt.Sprintf("it is given the key of %s when dkimbot's record stands alone there again", should), false
	case h.OutOfKeystore(signer, should):
		return fmt.Sprintf("it can't be given the key of %s, which the keystore does not hold; see what is said of that",
			should), true
	case h.Keeping(should) == keyUnread && !(h.Unsigned(signer) && h.CanFetch(signer, should)):
		return fmt.Sprintf("it is given the key of %s by itself as soon as that can be read from the keystore", should), false
	case h.Standing(should) == Changing && !h.Unopposed(should) &&
		!(h.Unsigned(signer) && should == h.Have.Active && Somewhere(&h.Judge, should)):
		return fmt.Sprintf("it is given the key of %s when the servers agree on its record", should), false
	case h.WouldRefuse(signer, should) != nil:
		return fmt.Sprintf("it can't be given the key of %s until the signer takes it; see what is said of that", should), true
	}
	return usual, false
}

// carriesOn reports whether a switch gives a signer that was not sent back the key to which it leads.
func (h *Check) carriesOn(signer string) bool {
	to := h.Have.Target
	return h.Have.Phase == rotate.Switching && !slices.Contains(h.Have.Held, signer) && !h.Have.Leaked(to) &&
		h.Keeping(to) == keyKept && (h.Standing(to) == Current || h.Unopposed(to))
}

// rightful reports whether a signer may sign with the key now: the active one, or that which a switch leads to.
func (h *Check) rightful(selector, keyID string) bool {
	key := h.Have.Selector(selector).Key
	return key != nil && key.ID == keyID && (selector == h.Have.Active || selector == h.Have.Target)
}

// RecordAt and keyAt are what findings at a selector are about.
func RecordAt(s string) finding.Thing { return finding.Thing{Kind: finding.TheRecord, Selector: s} }
func keyAt(s string) finding.Thing    { return finding.Thing{Kind: finding.TheKey, Selector: s} }
