package forecast

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
	"github.com/dkimbot/dkimbot/rotate/plan"
	"github.com/dkimbot/dkimbot/rotate/shown"
)

// Coming is a step that will be taken, if nothing gets in between.
type Coming struct {
	At    time.Time
	Phase rotate.Phase // of the domain, before the step
	Step  rotate.Step
}

// Outlook is what is to come for one domain.
type Outlook struct {
	Name   string
	Phase  rotate.Phase // now
	Coming []Coming
	Until  time.Time // how far it reaches: the end that was asked for, or as far as can be foreseen
	Stop   error     // a fault that keeps dkimbot from going on at Until; nil when there is none
}

// most bounds how many steps an outlook holds: years of any schedule that makes
// sense, but not a hundred years of one that never rests.
const most = 5000

// Start is where a forecast of one domain begins: what is wanted and asked of the domain, and what is known of it.
type Start struct {
	Now     time.Time
	Want    rotate.Domain
	Request rotate.Request
	Have    rotate.State
	Seen    rotate.Observation
	Lags    map[string]time.Duration // for each signer, how long after its switch that is surely in effect
}

// forecast returns the domain as it is at the start, in copies that can be changed.
func (s Start) forecast() *forecast {
	return &forecast{now: s.Now, want: s.Want, req: s.Request.In(s.Have, s.Want.Signers), st: s.Have.AsOf(s.Now),
		seen: copyObservation(s.Seen), lags: s.Lags, made: map[string]bool{}}
}

// Of plays Plan forward from the start to until, as if each step succeeded at once. It is a pure function: it reads
// nothing, and leaves its arguments alone.
func Of(start Start, until time.Time) Outlook {
	f := start.forecast()
	f.out = Outlook{Name: f.want.Name, Phase: f.st.Phase, Until: until}
	for still := 0; ; {
		f.st.Heed(f.want, f.seen, f.lags, f.now)
		p := plan.Plan(f.now, f.want, f.req, f.st, f.seen)
		steps := p.Runnable(f.now)
		switch {
		case p.Stop != nil && len(steps) == 0:
			return f.halt(p.Stop)
		case len(steps) == 0 && (p.Next == nil || p.Next.At.After(until)):
			return f.out
		case len(steps) == 0:
			if !p.Next.At.After(f.now) {
				return f.halt(restless(f.want.Name))
			}
			f.now, still = p.Next.At, 0
			f.st.Failed = rotate.Failure{} // at rest: nothing that failed is open any more
		}
		if still++; still > plan.MaxRounds {
			return f.halt(restless(f.want.Name))
		}
		for _, s := range steps {
			if len(f.out.Coming) == most {
				return f.halt(fault.Lasting("look further ahead for "+f.want.Name,
					fmt.Errorf("more than %d steps are to come", most), "ask for a shorter time"))
			}
			f.out.Coming = append(f.out.Coming, Coming{f.now, f.st.Phase, f.unnamed(s)})
			if err := f.do(s); err != nil {
				return f.halt(err)
			}
		}
	}
}

func restless(domain string) error {
	return fault.Lasting("foresee what is done for "+domain, errors.New("the plan does not come to rest"),
		"report this as a defect")
}

// forecast is a domain as it will be.
type forecast struct {
	now  time.Time
	want rotate.Domain
	req  rotate.Request // what of it is yet to come
	st   rotate.State
	seen rotate.Observation
	lags map[string]time.Duration
	made map[string]bool // ids that stand for keys that are yet to be made
	out  Outlook
}

func (f *forecast) halt(err error) Outlook {
	f.out.Stop, f.out.Until = err, f.now
	return f.out
}

// do lets a step succeed.
func (f *forecast) do(s rotate.Step) error {
	seen := health.At(f.seen, s.Selector)
	switch s.Kind {
	case rotate.Generate:
	case rotate.StoreKey:
		id := fmt.Sprintf("to be made %d", len(f.made)+1) // no two keys are the same
		f.made[id] = true
		f.begin(s, id)
		seen.KeyID, seen.Version = id, seen.Version+1
		f.st.Stored(s.Selector, rotate.Key{ID: id, Version: seen.Version, Record: id, StoredAt: f.now})
	case rotate.Publish:
		sel := rotate.SelectorAt(f.st, s.Selector)
		sel.Publishing(health.NewJudge(f.now, f.want, f.st, f.seen).CacheWait(s.Selector),
			f.want.Policy.TTL)
		f.begin(s, "")
		f.st.Published(s.Selector, f.now)
		f.show(&seen, sel.Wanted().Record)
	case rotate.Verify:
		f.show(&seen, f.st.Selectors[s.Selector].Wanted().Record)
		f.st.Verified(s.Selector, f.now)
	case rotate.Activate:
		f.begin(s, "")
		ref := dkim.Ref{Name: dkim.Name{Domain: f.want.Name, Selector: s.Selector},
			KeyID: rotate.SelectorAt(f.st, s.Selector).Key.ID}
		f.seen.Signers[s.Signer] = rotate.SignerSeen{Ref: ref}
		f.st.Activated(s.Signer, ref, f.now.Add(f.lags[s.Signer]), f.want.Signers)
		f.req.Asked = f.req.Asked && f.st.Phase == rotate.Ready
	case rotate.Destroy:
		for _, old := range f.st.Doomed(s.Selector) {
			if old.KeyID == s.From.KeyID {
				f.st.Destroyed(s.Selector, old.KeyID)
				if seen.KeyID == old.KeyID {
					seen.KeyID = ""
				}
			}
		}
	case rotate.Revoke:
		sel := rotate.SelectorAt(f.st, s.Selector)
		sel.Revoking(max(f.want.Policy.TTL, seen.Sight.TTL))
		f.begin(s, "")
		record := sel.Key.Record
		f.st.Revoked(s.Selector, f.now)
		if left := shown.Written(seen.Sight, *sel, record); len(left.Values) > 1 { // what is not dkimbot's stays
			seen.Sight = left
		} else {
			f.show(&seen, record)
		}
	default:
		return fault.Lasting("look further ahead for "+f.want.Name,
			fmt.Errorf("what comes after %s %s is not known", s.Kind, s.Selector), "make the calendar again when that is done")
	}
	plan.Note(f.seen, s.Selector, seen)
	return nil
}

func (f *forecast) begin(s rotate.Step, keyID string) {
	f.st.Begin(rotate.Intent{Kind: s.Kind, Selector: s.Selector, Signer: s.Signer, KeyID: keyID, At: f.now}, f.want.Policy)
}

// show makes the record the only one that every server shows.
func (f *forecast) show(seen *rotate.SelectorSeen, record string) {
	if seen.Sight.Unchecked {
		return
	}
	sight := &seen.Sight
	sight.Values, sight.Complete, sight.TTL = []string{record}, true, f.want.Policy.TTL
	sight.Wildcard, sight.Silent, sight.Shown, sight.Lagging, sight.Bogus = nil, false, nil, nil, nil
}

// unnamed returns the step without the ids that stand for keys that are yet to be made.
func (f *forecast) unnamed(s rotate.Step) rotate.Step {
	for _, side := range []*rotate.Side{&s.From, &s.To} {
		if f.made[side.KeyID] || f.made[side.Record] {
			side.KeyID, side.Record, side.Fresh = "", "", true
		}
	}
	return s
}

// copyObservation returns a copy whose maps can be changed.
func copyObservation(seen rotate.Observation) rotate.Observation {
	out := rotate.Observation{Selectors: map[string]rotate.SelectorSeen{}, Signers: map[string]rotate.SignerSeen{},
		Left: maps.Clone(seen.Left), Dismissed: seen.Dismissed,
		Fetchers: seen.Fetchers, Probed: seen.Probed, Unmixed: seen.Unmixed, RSAOnly: seen.RSAOnly, Lags: seen.Lags,
		Lingers: seen.Lingers}
	for name, s := range seen.Selectors {
		out.Selectors[name] = s
	}
	for name, s := range seen.Signers {
		out.Signers[name] = s
	}
	return out
}
