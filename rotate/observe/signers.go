package observe

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/batch"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// Questions are what many domains ask a signer at once: what signs them, and whether it could be switched to the key
// that follows. They are safe for concurrent use.
type Questions = batch.Calls[dkim.SigningKey, rotate.SignerSeen]

// Ask returns the questions to the signer of that name.
func Ask(name string, s ports.SignerReader) *Questions {
	return &Questions{What: "ask signer " + name, Reads: true,
		Do: func(ctx context.Context, next []dkim.SigningKey) ([]rotate.SignerSeen, []error) {
			domains := make([]string, len(next))
			for i, k := range next {
				domains[i] = k.Domain
			}
			active, err := s.Active(ctx, domains)
			var whichever error
			var each map[string]error
			if screener, ok := s.(ports.Screener); ok {
				each, whichever = screener.Screen(ctx, next)
			}
			var here map[string]dkim.Ref
			var unheard error
			if several, ok := s.(ports.Several); ok {
				here, unheard = several.Hosts(ctx, domains)
			}
			var overruled, unkept map[string]string
			if shared, ok := s.(ports.Sharer); ok {
				overruled = shared.Overruled(ctx, domains)
			}
			if keeper, ok := s.(ports.Keeper); ok {
				unkept = keeper.Unkept(ctx, active)
			}
			seen, errs := make([]rotate.SignerSeen, len(next)), make([]error, len(next))
			for i, k := range next {
				seen[i] = rotate.SignerSeen{Ref: active[k.Domain], Here: here[k.Domain], Unheard: unheard,
					Overruled: overruled[k.Domain], Unkept: unkept[k.Domain]}
				errs[i] = batch.ErrorFor(err, k.Domain)
				seen[i].Refuses = fault.UnlessTransient(batch.ErrorFor(whichever, k.Domain))
				if only := fault.UnlessTransient(each[k.Domain]); seen[i].Refuses == nil && only != nil {
					seen[i].Refuses, seen[i].RefusesOnly = only, k.Selector
				}
			}
			return seen, errs
		}}
}

// UnknownSigner says that no signer has that name.
func UnknownSigner(name string) error {
	return fault.Lasting("ask signer "+name, errors.New("there is no such signer"), "name a signer of the configuration")
}

// Recall gives signers what the state remembers of them, and the configuration may no longer say: which names they had
// before, which their files may have still, and by which files they signed. A name that another signer has now is that
// one's.
func Recall[S ports.SignerReader](st rotate.State, signers map[string]S) {
	for name, c := range st.Signers {
		if t, ok := any(signers[name]).(ports.Tabled); ok && c.Tables != "" {
			t.SignedBy(strings.Split(c.Tables, "\n"))
		}
		for was := range strings.FieldsSeq(c.Was) {
			_, another := signers[was]
			if r, ok := any(signers[name]).(ports.Renamer); ok && !another {
				r.KnownAs(was)
			}
		}
	}
}

// Tabled notes by which files signers sign that say that they sign with what they confirmed.
func Tabled[S ports.SignerReader](st *rotate.State, seen rotate.Observation, signers map[string]S) {
	for name, c := range st.Signers {
		t, ok := any(signers[name]).(ports.Tabled)
		at, looked := seen.Signers[name]
		ref := st.Identify(at.Ref)
		if ok && looked && at.Err == nil && !c.Unsure && ref.Selector == c.Selector && ref.KeyID == c.KeyID {
			c.Tables = strings.Join(t.Tables(), "\n")
			st.Signers[name] = c
		}
	}
}

// Traits notes in an observation what the named signers are like, whatever they sign with now.
func Traits[S ports.SignerReader](seen *rotate.Observation, names []string, signers map[string]S) {
	seen.Fetchers, seen.Unmixed, seen.Probed = map[string]bool{}, map[string]bool{}, map[string]bool{}
	seen.Lags, seen.Lingers, seen.RSAOnly = map[string]time.Duration{}, map[string]bool{}, map[string]string{}
	for _, name := range names {
		s := any(signers[name])
		if signer, ok := s.(ports.Signer); ok {
			seen.Lags[name] = ports.LagOf(signer, true)
		}
		fetcher, ok := s.(ports.Fetcher)
		seen.Fetchers[name] = ok && fetcher.Fetches()
		lingerer, ok := s.(ports.Lingerer)
		seen.Lingers[name] = ok && lingerer.Lingers()
		unmixed, ok := s.(ports.Unmixed)
		seen.Unmixed[name] = ok && unmixed.Unmixed()
		if limited, ok := s.(ports.RSAOnly); ok {
			seen.RSAOnly[name], _ = limited.RSAOnly()
		}
		prober, ok := s.(ports.Prober)
		seen.Probed[name] = ok && prober.Probes()
	}
}

// AllLags returns Lags of all signers of a domain, also those that are no longer listed.
func AllLags[S ports.SignerReader](st rotate.State, want rotate.Domain, signers map[string]S) map[string]time.Duration {
	return Lags(append(rotate.Dismissed(st, want.Signers), want.Signers...), signers)
}

// Lags returns how long after its switch each of the named signers has surely changed, where it says so.
func Lags[S ports.SignerReader](names []string, signers map[string]S) map[string]time.Duration {
	lags := map[string]time.Duration{}
	for _, name := range names {
		if s, ok := any(signers[name]).(interface{ Lag() time.Duration }); ok {
			lags[name] = s.Lag()
		}
	}
	return lags
}
