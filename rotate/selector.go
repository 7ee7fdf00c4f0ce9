package rotate

import (
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Selector returns what is known of a selector, zero when nothing is.
func (s State) Selector(name string) Selector {
	if sel := s.Selectors[name]; sel != nil {
		return *sel
	}
	return Selector{}
}

// Identify completes what a signer said it signs with. One that fetches its keys
// itself may know the selector only: then it uses the key that stands there.
func (s State) Identify(ref dkim.Ref) dkim.Ref {
	if sel := SelectorAt(s, ref.Selector); ref.KeyID == "" && sel != nil && sel.Key != nil {
		ref.KeyID = sel.Key.ID
	}
	return ref
}

// Knows makes a domain that was new know the two selectors that are managed from now on. At
// another one it keeps what was its own: a domain that was released may have had keys there.
func (st *State) Knows(pair [2]string) {
	maps.DeleteFunc(st.Selectors, func(name string, sel *Selector) bool {
		return !slices.Contains(pair[:], name) && sel.Untouched()
	})
	for _, name := range pair {
		if st.Selectors[name] == nil {
			st.Selectors[name] = &Selector{}
		}
	}
}

// bothKeys reports whether there is a key at each of two selectors, and neither is compromised.
func bothKeys(selectors map[string]*Selector) bool {
	n := 0
	for _, sel := range selectors {
		if sel.Key != nil && sel.Key.Leaked.IsZero() {
			n++
		}
	}
	return n >= 2
}

// Untouched reports whether dkimbot never had a key at the selector.
func (s *Selector) Untouched() bool {
	return s.Key == nil && s.Next == nil && len(s.Past)+len(s.Tried)+len(s.Retired) == 0
}

// Remembered reports whether receivers may keep another key under the selector's name than the first one that dkimbot
// makes there now: one of its own from before the domain was released, or one that somebody else had there (I2).
func (s Selector) Remembered() bool { return s.Preceded || len(s.Past) > 0 }

// Wanted returns the key whose record should stand at the selector: the fresh one
// once it is stored, else the present one, else nil.
func (s Selector) Wanted() *Key {
	if s.Next != nil {
		return s.Next
	}
	return s.Key
}

// Ours reports whether the record at the selector's name is dkimbot's: it put it there, or it holds dkimbot's key,
// whatever other tags somebody gave it since. Then it stays as long as its key, and goes with it. One that was put in
// test mode is a person's, unless its key is compromised: mail counts as unsigned by it. Spelt alike is the rule, and
// cheap; what is spelt otherwise is read once.
func (s Selector) Ours(record string) bool {
	keys := [...]*Key{s.Key, s.Next}
	for _, k := range keys {
		if k != nil && k.Record == record {
			return true
		}
	}
	if s.Key != nil && !s.Key.Leaked.IsZero() && dkim.Holds(record, s.Key.ID) {
		return true // it is revoked, whatever somebody made of its record
	}
	r, err := dkim.ParseRecord(record)
	if err != nil {
		return false
	}
	id := r.Key.ID()
	for _, k := range keys {
		if k != nil && (k.ID == id || r.Revoked()) && serves(r, k.Record) {
			return true
		}
	}
	if r.Revoked() {
		return s.Revoked || s.Key != nil && !s.Key.Leaked.IsZero() && serves(r, dkim.RevokedRecord(s.Key.Record))
	}
	own := s.Key != nil && s.Key.ID == id && slices.ContainsFunc(s.Retired, func(r Retired) bool { return r.KeyID == id })
	return slices.Contains(s.Past, id) && !own // a selector that was left has its key in both lists
}

// serves reports whether mail verifies by what is shown as well as by a record.
func serves(shown dkim.Record, record string) bool {
	r, err := dkim.ParseRecord(record)
	return err == nil && shown.Serves(r)
}

// Pending returns the key that is on its way to the selector, nil when it is yet to be made.
func (s Selector) Pending(phase Phase) *Key {
	if phase == New || phase == Bootstrapping {
		return s.Key
	}
	return s.Next
}

// Dropped reports whether the key was given up before it was used.
func (s Selector) Dropped(keyID string) bool {
	return slices.ContainsFunc(s.Retired, func(r Retired) bool { return r.Dropped && r.KeyID == keyID })
}

// InPlace reports whether a fresh key has taken the place of one that is still to be destroyed.
func (s Selector) InPlace() bool {
	return slices.ContainsFunc(s.Retired, func(r Retired) bool { return !r.Dropped })
}

// ReplacedBefore reports whether a key stood at the selector once, or was given up.
func (s Selector) ReplacedBefore(keyID string) bool {
	return slices.Contains(s.Past, keyID) ||
		slices.ContainsFunc(s.Retired, func(r Retired) bool { return r.KeyID == keyID })
}

// Known returns when no resolver answers any more from before the key's record was seen, if it is
// seen now where it was not yet.
func (k *Key) Known(now time.Time) time.Time {
	if k.VerifiedAt.IsZero() {
		return now.Add(k.CacheWait)
	}
	return k.VerifiedAt.Add(k.CacheWait)
}

// Side returns the key as a step shows it; one without a name is yet to be made.
func (k *Key) Side() Side { return Side{KeyID: k.ID, Record: k.Record, Fresh: k.ID == ""} }

// GivenUp reports whether the key's revocation was begun: its record may be gone.
func (k *Key) GivenUp() bool {
	return !k.Leaked.IsZero() && k.Record == dkim.RevokedRecord(k.Record)
}
