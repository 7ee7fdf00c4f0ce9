// Package follow changes the state of a domain as the configuration has changed: signers that have other names, DNS
// accounts that were added or removed, other selectors, and the way back from these. It refuses to act
// where the state was lost. It is pure: it changes nothing but the state that it returns.
package follow
