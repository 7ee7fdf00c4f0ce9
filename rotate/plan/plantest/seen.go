package plantest

import (
	"errors"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// DNSSilent makes DNS not answer for selectors.
func (s *Scene) DNSSilent(selectors ...string) {
	for _, name := range selectors {
		seen := s.Seen.Selectors[name]
		seen.SightErr = &fault.Error{Kind: fault.Transient, Code: codes.ServersSilent, What: "look up " + name, Hint: "ask again"}
		s.Seen.Selectors[name] = seen
	}
}

// Silence makes signers not answer.
func (s *Scene) Silence(signers ...string) {
	for _, name := range signers {
		s.Seen.Signers[name] = rotate.SignerSeen{Err: errors.New("no route to host")}
	}
}

// RefTo is what a signer says that signs with a key of the scene.
func RefTo(selector string, n int) dkim.Ref {
	return dkim.Ref{Name: dkim.Name{Domain: "example.com", Selector: selector}, KeyID: Keys()[n].ID()}
}

// Show sets what DNS shows at a selector.
func (s *Scene) Show(selector string, values ...string) {
	seen := s.Seen.Selectors[selector]
	seen.Sight = rotate.Sight{Zone: "example.com", Owner: selector + "._domainkey.example.com", Values: values,
		Complete: true, Negative: Negative}
	if len(values) > 0 {
		seen.Sight.TTL = time.Hour
	}
	s.Seen.Selectors[selector] = seen
}

// Hold sets what the keystore's newest entry for a selector is.
func (s *Scene) Hold(selector, keyID string, version int) {
	seen := s.Seen.Selectors[selector]
	seen.KeyID, seen.Version = keyID, version
	s.Seen.Selectors[selector] = seen
}

// Stands puts key n into DNS and into the keystore, as one of which the state need not know.
func (s *Scene) Stands(selector string, n int) {
	s.Show(selector, Record(Keys()[n]))
	s.Hold(selector, Keys()[n].ID(), 8)
}

// Sign makes the signers sign with a selector, as confirmed and as seen.
func (s *Scene) Sign(selector string, signers ...string) {
	id := s.Have.Selectors[selector].Key.ID
	for _, name := range signers {
		s.Have.Signers[name] = rotate.Confirmed{Selector: selector, KeyID: id, At: LongAgo}
		s.Drift(selector, id, name)
	}
}

// Drift makes the signers be seen to sign with something.
func (s *Scene) Drift(selector, keyID string, signers ...string) {
	for _, name := range signers {
		s.Seen.Signers[name] = rotate.SignerSeen{Ref: dkim.Ref{Name: dkim.Name{Domain: "example.com",
			Selector: selector}, KeyID: keyID}}
	}
}

// KeystoreSilent makes the keystore not answer for a selector.
func (s *Scene) KeystoreSilent(selector string) {
	seen := s.Seen.Selectors[selector]
	seen.KeyID, seen.KeyErr = "", fault.Temporary("ask", errors.New("no route to host"), "")
	s.Seen.Selectors[selector] = seen
}

// Lag makes a server not show yet what stands at a selector.
func (s *Scene) Lag(selector string) {
	seen := s.Seen.Selectors[selector]
	seen.Sight.Complete, seen.Sight.Lagging = false, []string{"ns2 lags"}
	s.Seen.Selectors[selector] = seen
}

// Mute makes a server not answer for a selector.
func (s *Scene) Mute(selectors ...string) {
	for _, name := range selectors {
		seen := s.Seen.Selectors[name]
		seen.Sight.Complete, seen.Sight.Silent, seen.Sight.Lagging = false, true, []string{"ns2 did not answer"}
		s.Seen.Selectors[name] = seen
	}
}

// Keep makes the keystore hold the key that state means at its own version.
func (s *Scene) Keep(selector string) {
	seen := s.Seen.Selectors[selector]
	seen.Kept = true
	s.Seen.Selectors[selector] = seen
}

// OldKept says whether the keystore still holds the key whose place a fresh one is to take.
func (s *Scene) OldKept(selector string, kept bool) {
	seen := s.Seen.Selectors[selector]
	seen.OldKept = kept
	s.Seen.Selectors[selector] = seen
}

// Purging makes the domain one that was released, and that is to be purged.
func (s *Scene) Purging(used time.Duration, unused bool) {
	s.Have.Released = &rotate.ReleaseState{At: Now.Add(-30 * day), Purge: true, LastUsed: Now.Add(used),
		Unused: unused}
}

// ConfirmedAt sets when a signer confirmed what it signs with.
func (s *Scene) ConfirmedAt(signer string, at time.Time) {
	c := s.Have.Signers[signer]
	c.At = at
	s.Have.Signers[signer] = c
}

// Uncheck makes the domain one whose DNS is not asked.
func (s *Scene) Uncheck() {
	for name, seen := range s.Seen.Selectors {
		seen.Sight = rotate.Sight{Owner: seen.Sight.Owner, Complete: true, Unchecked: true}
		s.Seen.Selectors[name] = seen
	}
}

// Unsure notes that a signer may have left what it confirmed.
func (s *Scene) Unsure(signer string) {
	c := s.Have.Signers[signer]
	c.Unsure = true
	s.Have.Signers[signer] = c
}

// Selector returns what state knows of a selector, to be changed.
func (s *Scene) Selector(name string) *rotate.Selector {
	if s.Have.Selectors == nil {
		s.Have.Selectors = map[string]*rotate.Selector{}
	}
	if s.Have.Selectors[name] == nil {
		s.Have.Selectors[name] = &rotate.Selector{}
	}
	return s.Have.Selectors[name]
}

// Past notes a key that stood at a selector before.
func (s *Scene) Past(name, keyID string) {
	s.Selector(name).Past = append(s.Selector(name).Past, keyID)
}

// Wildcard sets what a wildcard shows at a selector.
func (s *Scene) Wildcard(name, value string) {
	seen := s.Seen.Selectors[name]
	seen.Sight.Wildcard, seen.Sight.TTL = []string{value}, 2*time.Hour
	s.Seen.Selectors[name] = seen
}

// UnsureIfKnown does so where the signer has confirmed something.
func (s *Scene) UnsureIfKnown(signer string) {
	if _, ok := s.Have.Signers[signer]; ok {
		s.Unsure(signer)
	}
}
