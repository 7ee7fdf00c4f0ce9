package rotate

import "time"

// Kind is what a step does.
type Kind string

// The kinds of step.
const (
	Generate Kind = "generate" // make a key pair
	StoreKey Kind = "store"    // keep the private key in the keystore
	Publish  Kind = "publish"  // put the key record in DNS
	Verify   Kind = "verify"   // see it on every authoritative server
	Activate Kind = "activate" // make a signer sign with it
	Drain    Kind = "drain"    // wait for mail in flight
	Revoke   Kind = "revoke"   // publish an empty p=
	Destroy  Kind = "destroy"  // destroy the old private key
)

// Step is one thing to do. It is plain data.
// Facts describe a thing before or after a step, by name.
type Facts map[string]string

type Step struct {
	Kind      Kind      `json:"kind"`
	Selector  string    `json:"selector,omitempty"`
	Signer    string    `json:"signer,omitempty"`
	Target    string    `json:"target"` // the place that is touched, for people
	Reason    Reason    `json:"reason"`
	Before    Facts     `json:"before"`
	After     Facts     `json:"after"`
	NotBefore time.Time `json:"not_before,omitzero"`
}
