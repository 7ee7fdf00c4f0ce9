package rotate

import (
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Kind is what a step does, or what a line of the history is about.
type Kind = codes.Action

// The kinds of step.
const (
	Generate = codes.ActionGenerate // make a key pair
	StoreKey = codes.ActionStore    // keep the private key in the keystore
	Publish  = codes.ActionPublish  // put the key record in DNS
	Verify   = codes.ActionVerify   // see it on every authoritative server, and test the key against it
	Activate = codes.ActionActivate // make a signer sign with it
	Drain    = codes.ActionDrain    // wait for mail in flight
	Revoke   = codes.ActionRevoke   // publish an empty p=
	Destroy  = codes.ActionDestroy  // destroy the old private key
	Adopt    = codes.ActionAdopt    // take a key that is in use, and its record, under management
)

// Step is one thing to do. It is plain data and never holds a private key.
type Step struct {
	Kind      Kind
	Selector  string
	Signer    string // for Activate
	Target    string // the place that is touched, for people
	Reason    Reason
	NotBefore time.Time // zero: at once
	Duty      Duty      // what it belongs to

	From      Side           // what is there before it
	To        Side           // what is there after it
	Algorithm dkim.Algorithm // for Generate: of the key
	TTL       time.Duration  // for Publish and Revoke: of the record
	Asked     string         // who is asked what DNS shows, where that is not every authoritative server
	Signs     string         // for Adopt: the selector that signs from then on
}

// Side is what is there on one side of a step: which key, and its record. Which fields
// have a meaning follows from the step's kind, see approval.FactsOf.
type Side struct {
	Selector string // for Activate: that the signer signs with
	KeyID    string
	Record   string
	Fresh    bool // the key is yet to be made: what KeyID and Record are to be is not known
}

// Does reports whether s is what was approved as a. A key that was yet to be made has its name by now.
func (s Step) Does(a Step) bool {
	if a.Kind != s.Kind || a.Selector != s.Selector || a.Signer != s.Signer {
		return false
	}
	key := a.To.KeyID == s.To.KeyID && a.To.Record == s.To.Record && a.To.Fresh == s.To.Fresh
	return (a.To.Fresh || key) && a.To.Selector == s.To.Selector &&
		a.Algorithm == s.Algorithm && a.TTL == s.TTL && a.Signs == s.Signs && (a.Kind != Destroy || a.From == s.From)
}

// Words name the step for people: what is done, on which signer, at which selector.
func (s Step) Words() string {
	return strings.Join(slices.DeleteFunc([]string{string(s.Kind), s.Signer, s.Selector},
		func(w string) bool { return w == "" }), " ")
}
