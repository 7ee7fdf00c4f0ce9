package approval

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Conditions are what a plan was made from: the state, and what DNS, the keystore
// and the signers showed. A plan may be carried out as long as they
// are the same. What could not be asked when the plan was made has no entry.
// They are plain data and hold no secret.
type Conditions struct {
	Revision int64                `json:"revision"`
	State    string               `json:"state_sha256"` // of what of the state bears on what is done; see State.Basis
	Records  map[string]string    `json:"records"`      // by selector: a digest of what DNS showed
	Keys     map[string]KeyHeld   `json:"keys"`         // by selector: the newest key in the keystore
	Signers  map[string]SignsWith `json:"signers"`      // what each signer used
}

// KeyHeld names an entry of the keystore, zero when there was none.
type KeyHeld struct {
	Version int    `json:"version"`
	KeyID   string `json:"key_id"`
}

// SignsWith is what a signer said it signs with, zero when it does not sign.
type SignsWith struct {
	Selector string `json:"selector"`
	KeyID    string `json:"key_id"`
}

// ConditionsOf returns what a plan was made from.
func ConditionsOf(p rotate.DomainPlan) Conditions {
	c := observed(p.Seen)
	c.Revision, c.State = p.Revision, p.Basis
	return c
}

func observed(seen rotate.Observation) Conditions {
	c := Conditions{Records: map[string]string{}, Keys: map[string]KeyHeld{}, Signers: map[string]SignsWith{}}
	for name, s := range seen.Selectors {
		if unseen(s) == nil {
			c.Records[name] = digest(s.Sight.Values)
		}
		if s.KeyErr == nil {
			c.Keys[name] = KeyHeld{s.Version, s.KeyID}
		}
	}
	for name, s := range seen.Signers {
		if s.Err == nil {
			c.Signers[name] = SignsWith{s.Ref.Selector, s.Ref.KeyID}
		}
	}
	return c
}

// unseen returns why it is not known what DNS shows. A name that leads to another domain's record is refused, and what
// stands there was seen.
func unseen(s rotate.SelectorSeen) error {
	if fault.CodeOf(s.SightErr) == codes.SharedName || fault.KindOf(s.SightErr) != fault.Transient && s.Sight.Complete {
		return nil
	}
	return s.SightErr
}

// digest is the same for the same records, in whatever order they come.
func digest(values []string) string {
	sum := sha256.Sum256([]byte(strings.Join(slices.Sorted(slices.Values(values)), "\n")))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// changed says what has changed since the plan was made, and what could not be asked now
// (nil: everything could be).
func (c Conditions) changed(have rotate.State, seen rotate.Observation) (why []rotate.Reason, unknown error) {
	domain, now := have.Domain, observed(seen)
	say := func(code codes.Code, format string, args ...any) {
		why = append(why, rotate.Reason{Code: code, Message: fmt.Sprintf(format, args...)})
	}
	if have.Revision != c.Revision && have.Basis() != c.State {
		say(codes.StateMoved, "the state of %s has changed from revision %d to %d", domain, c.Revision, have.Revision)
	}
	for _, s := range slices.Sorted(maps.Keys(seen.Selectors)) {
		name, is := dkim.Name{Domain: domain, Selector: s}, seen.Selectors[s]
		if before, after := c.Records[s], now.Records[s]; unseen(is) != nil {
			unknown = first(unknown, is.SightErr)
		} else if before != after {
			say(codes.RecordChanged, "DNS shows something else at %s than when the plan was made: %s", name,
				dkim.Brief(is.Sight.Values))
		}
		if before, asked := c.Keys[s]; is.KeyErr != nil {
			unknown = first(unknown, is.KeyErr)
		} else if after := now.Keys[s]; !asked || before != after {
			say(codes.KeyChanged, "the keystore's newest key for %s is %s; when the plan was made it was %s", name, after,
				orUnknown(before.String(), asked))
		}
	}
	for _, s := range slices.Sorted(maps.Keys(seen.Signers)) {
		if before, asked := c.Signers[s]; seen.Signers[s].Err != nil {
			unknown = first(unknown, seen.Signers[s].Err)
		} else if after := now.Signers[s]; !asked || before != after {
			say(codes.SignerChanged, "signer %s now %s; when the plan was made: %s", s, after,
				orUnknown(before.String(), asked))
		}
	}
	return why, unknown
}

// String names the key for people.
func (k KeyHeld) String() string {
	if k.Version == 0 {
		return "none"
	}
	if k.KeyID == "" {
		return fmt.Sprintf("version %d, destroyed", k.Version)
	}
	return fmt.Sprintf("version %d, %s", k.Version, dkim.ShortID(k.KeyID))
}

// String says it for people: "signs with s1, 00112233".
func (s SignsWith) String() string {
	switch {
	case s.Selector == "":
		return "does not sign"
	case s.KeyID == "":
		return "signs with " + s.Selector
	}
	return "signs with " + s.Selector + ", key " + dkim.ShortID(s.KeyID)
}

func orUnknown(s string, known bool) string {
	if !known {
		return "unknown, it could not be asked"
	}
	return s
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Stale returns the refusal to carry out a plan for a domain, or nil when there is no reason.
func Stale(planID, domain string, why []rotate.Reason) error {
	if len(why) == 0 {
		return nil
	}
	messages := make([]string, len(why))
	for i, r := range why {
		messages[i] = r.Message
	}
	hint := "make a new plan, have it reviewed, and apply that: 'dkimbot plan --domain " + domain + " --out FILE'"
	if why[0].Code == codes.Applied {
		hint = "'dkimbot status --domain " + domain + "' says where it stands, and the daemon and 'dkimbot rotate --due' " +
			"continue what the plan began. For another change " + hint
	}
	return fault.Refuse(codes.StalePlan,
		fmt.Sprintf("apply plan %s to %s: %s", planID, domain, strings.Join(messages, "; ")),
		"nothing was done for the domain; "+hint)
}
