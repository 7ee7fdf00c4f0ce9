// Package keyring is the keystore as the engine uses it: keys that were read are kept for one run, what is
// read is the key that is meant, and after the state was lost it says what DNS and keystore hold together.
package keyring
