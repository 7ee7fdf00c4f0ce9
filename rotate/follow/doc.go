// Package follow brings the state of a domain up to what the configuration calls otherwise now: signers that have
// other names, DNS accounts that have come or gone, other selectors, and the way back from these. It is pure, and
// nothing is done in the world by it.
package follow
