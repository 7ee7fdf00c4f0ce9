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
// have a meaning follows from the step's kind, see Step.Facts.
type Side struct {
	Selector string // for Activate: that the signer signs with
	KeyID    string
	Record   string
	Fresh    bool // the key is yet to be made: what KeyID and Record are to be is not known
}

// Generated stands in documents for a key that is yet to be made, and for its record.
const Generated = "(generated at apply)"

// standsStill is what documents say of the record before a drain and after it.
const standsStill = "published"

// Facts describe one side of a step by name, for documents.
type Facts map[string]string

func (s Side) keyID() string {
	if s.Fresh {
		return Generated
	}
	return s.KeyID
}

func (s Side) record() string {
	if s.Fresh {
		return Generated
	}
	return s.Record
}

// Facts returns what documents say of the step: what is there before it and after it.
// Nothing that is done is decided by them.
func (s Step) Facts() (before, after Facts) {
	before, after = Facts{}, Facts{}
	switch s.Kind {
	case Generate:
		after["key"] = string(s.Algorithm)
	case StoreKey, Destroy:
		before["key_id"], after["key_id"] = s.From.keyID(), s.To.keyID()
	case Publish, Revoke:
		before["record"], before["key_id"] = s.From.record(), s.From.keyID()
		after["record"], after["key_id"], after["ttl"] = s.To.record(), s.To.keyID(), Span(s.TTL)
	case Verify:
		after["record"], after["key_id"] = s.To.record(), s.To.keyID()
	case Activate:
		before["selector"], before["key_id"] = s.From.Selector, s.From.keyID()
		after["selector"], after["key_id"] = s.To.Selector, s.To.keyID()
	case Drain:
		before["record"], after["record"] = standsStill, standsStill
	case Adopt:
		before["record"], before["key_id"] = s.From.record(), s.From.keyID()
		after["record"], after["key_id"], after["signs"] = s.To.record(), s.To.keyID(), s.Signs
	}
	if s.Asked != "" {
		before["asked"] = s.Asked
	}
	return before, after
}

// Does reports whether s is what was approved as a. A key that was yet to be made has its
// name by now.
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
