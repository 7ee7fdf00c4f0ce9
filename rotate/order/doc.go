// Package order changes what the state of a domain wants as a person instructs: go back to the selector that
// signed before, leave a compromised key, release the domain or take it back, put it on hold, replace the key of the
// standby, move over to other selectors. It is pure: what has to be done for it is planned afterwards.
package order
