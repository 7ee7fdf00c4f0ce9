package rotate

import "time"

// Mail that was signed under one drain is promised to verify for that long, whatever the policy says later (I2).

// DrainUnder returns how long mail that was signed with the selector's present key is waited for: as long as
// the policy says, or as it said while the key signed, whichever is longer.
func (s Selector) DrainUnder(p Policy) time.Duration { return max(p.Drain, s.Drain) }

// Promised notes the drain that is in force while signers may sign with the selector's key.
func (s *Selector) Promised(drain time.Duration) {
	if s != nil && s.Key != nil {
		s.Drain = max(s.Drain, drain)
	}
}

// LongestDrain returns how long mail that was signed with any of the keys is waited for.
func LongestDrain(selectors map[string]*Selector, p Policy) time.Duration {
	longest := p.Drain
	for _, sel := range selectors {
		longest = max(longest, sel.DrainUnder(p))
	}
	return longest
}
