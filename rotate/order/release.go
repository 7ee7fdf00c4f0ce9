package order

import (
	"fmt"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// giveRelease notes that the domain is released.
func giveRelease(p *order, o rotate.Release, st *rotate.State) ([]rotate.Event, error) {
	if err := p.unmanaged("release " + p.Want.Name); err != nil {
		return nil, err
	}
	if why := p.restless(); why != "" && st.Released == nil {
		return nil, fault.Refuse(codes.NotAtRest, fmt.Sprintf("release %s: %s", p.Want.Name, why),
			"'dkimbot rotate --domain "+p.Want.Name+" --wait' finishes what is under way, where the configuration lists it; "+
				"then release it")
	}
	if st.Released == nil {
		st.Released = &rotate.ReleaseState{At: p.Now}
	}
	if o.Purge && !st.Released.Purge { // the signers were not watched until now
		st.Released.Purge, st.Released.LastUsed = true, p.Now
	}
	message := "released; records, keys and signers stay as they are"
	if st.Released.Purge {
		message = "released; records and keys are purged when no signer has used them for " +
			calendar.Span(rotate.LongestDrain(p.Have.Selectors, p.Want.Policy))
	}
	return []rotate.Event{{Kind: rotate.ReleaseDomain, Selector: st.Active, Message: message}}, nil
}

// restless says what of the domain is half done, "" for nothing.
func (p *order) restless() string {
	for _, s := range selectorNames(p.Have) { // whatever the policy names by now
		if p.Have.Leaked(s) {
			return "its key at " + s + " was reported as compromised and is not replaced yet"
		}
	}
	if p.Have.Phase == rotate.Switching || p.Have.Phase == rotate.Replacing {
		return "it is " + string(p.Have.Phase)
	}
	return ""
}

// giveReclaim notes that a released domain is managed again.
func giveReclaim(p *order, st *rotate.State) ([]rotate.Event, error) {
	if st.Released == nil {
		return nil, fault.Refuse(codes.NotReleased, "take "+p.Want.Name+" back: it was never released",
			"'dkimbot status --domain "+p.Want.Name+"' says where it stands")
	}
	if st.Released.Begun && st.Released.Purged.IsZero() {
		return nil, fault.Refuse(codes.BeingPurged,
			fmt.Sprintf("take %s back: its records and keys are being purged, "+
				"because it was released with --purge", p.Want.Name),
			"'dkimbot rotate --due' continues the purge; take it back when that is done")
	}
	if err := p.SelectorsChanged(); err != nil && st.Released.Purged.IsZero() {
		return nil, &fault.Error{Kind: fault.Refused, Code: fault.CodeOf(err),
			What: fmt.Sprintf("take %s back: it was released with other selectors", p.Want.Name), Err: err,
			Hint: fmt.Sprintf("put 'selectors: [%s]' back into its policy, and take it back; to move it to the new ones, "+
				"run 'dkimbot rotate --domain %s --change-selectors' after that",
				strings.Join(selectorNames(p.Have), ", "), p.Want.Name)}
	}
	st.Released = nil
	for _, s := range p.Keyed() {
		if p.Standing(s) != health.Current {
			// the record was not checked meanwhile: it is relied on when it was seen again (I2)
			st.Selectors[s].Key.VerifiedAt = time.Time{}
		}
	}
	if len(p.Keyed()) == 0 {
		st.Enter(rotate.New)
		st.Origin = nil // no move is under way any more
		st.Active, st.Draining, st.Signers = "", "", map[string]rotate.Confirmed{}
	}
	return []rotate.Event{{Kind: rotate.ReleaseDomain, Selector: st.Active, Message: "taken back under management"}}, nil
}
