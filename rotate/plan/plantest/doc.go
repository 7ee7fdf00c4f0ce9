// Package plantest has scenes for tests of the planner and of what it asks: what a domain's
// configuration, state, DNS, keystore and signers say, at each stage of the scheme, and
// what may be otherwise. Nothing in it acts; it is for tests.
package plantest

import "time"

const (
	day = 24 * time.Hour

	// Negative is how long negative answers of the scenes' zone are cached.
	Negative = 5 * time.Minute
)
