package rotate

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// State is where one domain stands, as it is stored. The zero State, with the domain's name, is that of a new domain.
type State struct {
	Domain    string               `json:"domain"`
	Revision  int64                `json:"revision"` // counts the writes; 0 means never stored
	Phase     Phase                `json:"phase"`
	Active    string               `json:"active,omitempty"`   // the selector that signs now; "" before the first activation
	Target    string               `json:"target,omitempty"`   // while bootstrapping and switching: the one that is to sign
	Draining  string               `json:"draining,omitempty"` // while draining and replacing: the one that signed before
	Selectors map[string]*Selector `json:"selectors,omitempty"`
	// selectors that the domain had before its policy named others, with what is yet to be destroyed of them
	Earlier Earlier       `json:"earlier,omitempty"`
	Origin  *Origin       `json:"origin,omitempty"`  // where it moved over from; nil: it did not, or can't go back
	Signers Confirmations `json:"signers,omitempty"` // what each signer confirmed last

	Former Formers `json:"former,omitempty"` // selectors that are not ours and that signers signed with before
	// while switching: signers that a person sent back to the active selector
	Held      []string      `json:"held,omitempty"`
	RevokeNow bool          `json:"revoke_now,omitempty"` // written by older versions, of the active key; see Key.RevokeNow
	Released  *ReleaseState `json:"released,omitempty"`   // the domain was released: nothing is done for it

	Accounts  []string          `json:"accounts,omitempty"`  // the providers that records are published to
	Exchanged *finding.Exchange `json:"exchanged,omitempty"` // these took the place of all that were listed before
	Parted    finding.Partings  `json:"parted,omitempty"`    // what accounts hold that are not listed any more

	OnHold *OnHold `json:"on_hold,omitempty"` // the schedule begins no switch

	Fled Fled `json:"fled,omitzero"` // the last report of a key that signers used, until they change by schedule

	// when the state was written; nil when it is unknown how long the machine had been up
	Clock *Instant `json:"clock,omitempty"`

	// when the last signer's switch was surely in effect: the drain's start (I10)
	SwitchedAt time.Time `json:"switched_at,omitzero"`
	DueAt      time.Time `json:"due_at,omitzero"`  // when the next rotation becomes due
	Intent     *Intent   `json:"intent,omitempty"` // an effect that was begun and is not confirmed (I7)

	Failures  int               `json:"failures,omitempty"` // failed attempts since the last success
	LastError string            `json:"last_error,omitempty"`
	Failed    Failure           `json:"failed,omitzero"`   // what that was about; zero when an older version wrote it
	Refused   bool              `json:"refused,omitempty"` // the last failure was a refusal for safety
	NextTry   time.Time         `json:"next_try,omitzero"` // after a failure: not before this
	Next      *Next             `json:"next,omitempty"`    // what comes next, and when
	Applied   string            `json:"applied,omitempty"` // id of the saved plan that was applied last
	Config    string            `json:"config,omitempty"`  // fingerprint of the Domain that was last acted upon
	Read      finding.Reading   `json:"read,omitzero"`     // the newest configuration that was acted upon, and when it was read
	Drift     []finding.Finding `json:"drift,omitempty"`   // what was not as it should be when it was last looked at
}

// Selector is one of a domain's two selectors: the key whose record stands in
// DNS, and the one that is about to take its place.
type Selector struct {
	// the key in use at this selector; nil before the first is made
	Key     *Key      `json:"key,omitempty"`
	Next    *Key      `json:"next,omitempty"`    // while replacing: the fresh key
	Retired []Retired `json:"retired,omitempty"` // replaced private keys that are yet to be destroyed
	// ids of keys whose storing was begun and not confirmed; one may yet appear
	Tried []string `json:"tried,omitempty"`
	// ids of the last keys that were replaced, the newest last; a record of one is ours (I6)
	Past []string `json:"past,omitempty"`
	// the present key or the one before was revoked, so an empty p= may be ours
	Revoked bool `json:"revoked,omitempty"`
	// the largest with which a record of ours was published, or adopted, there
	TTL time.Duration `json:"ttl,omitzero"`
	// another key may have stood there before dkimbot's first one: receivers may keep it
	Preceded    bool          `json:"preceded,omitempty"`
	PrecededTTL time.Duration `json:"preceded_ttl,omitzero"` // how long resolvers may keep what stood there before that
	LastUsedAt  time.Time     `json:"last_used_at,omitzero"`
	Renew       bool          `json:"renew,omitempty"` // a person asked for another key, before it is used
	Drain       time.Duration `json:"drain,omitzero"`  // the longest that was in force while signers signed with Key
}

// Key is a key as state knows it: never the secret (I9).
type Key struct {
	ID          string    `json:"key_id"`
	Version     int       `json:"version"` // in the keystore
	Record      string    `json:"record"`  // the key record, as published
	StoredAt    time.Time `json:"stored_at,omitzero"`
	PublishedAt time.Time `json:"published_at,omitzero"`
	// first seen at every authoritative server since it was last published; in a flight, at those that are enough
	VerifiedAt time.Time     `json:"verified_at,omitzero"`
	Unasked    bool          `json:"unasked,omitempty"`   // DNS was not asked whether it shows (verify.mode none)
	CacheWait  time.Duration `json:"cache_wait,omitzero"` // how long resolvers may continue answering from before the change
	Replaced   bool          `json:"replaced,omitempty"`  // it took the place of another key, so settle applies
	Leaked     time.Time     `json:"leaked,omitzero"`     // when it was reported as compromised
	RevokedAt  time.Time     `json:"revoked_at,omitzero"` // when its record lost its p=; Record is the revoked one then
	// when another key may have stood in its place: a fresh one that was given up, or somebody else's
	ShadowedAt time.Time `json:"shadowed_at,omitzero"`
	RevokeNow  bool      `json:"revoke_now,omitempty"` // it was ordered to revoke it even while every signer signs with it
	Doomed     bool      `json:"doomed,omitempty"`     // the destruction of its private key was begun
	Gone       bool      `json:"gone,omitempty"`       // its private key was destroyed
}

// Retired names a version in the keystore that is to be destroyed (I5).
type Retired struct {
	KeyID   string `json:"key_id"`
	Version int    `json:"version"`
	Dropped bool   `json:"dropped,omitempty"` // no other key took its place: it was given up before a signer used it
	Leaked  bool   `json:"leaked,omitempty"`  // it was reported as compromised
	Older   bool   `json:"older,omitempty"`   // an adoption found it in the keystore beside the domain's keys
}

// Confirmed is what a signer was last seen to sign with.
type Confirmed struct {
	Selector string    `json:"selector"`
	KeyID    string    `json:"key_id"`
	At       time.Time `json:"at"`               // when it was surely in effect: confirmation plus activation lag
	Unsure   bool      `json:"unsure,omitempty"` // it may have signed with something else since
	Left     bool      `json:"left,omitempty"`   // it was taken out of the configuration, at At or before
	Silent   bool      `json:"silent,omitempty"` // and did not answer when it was asked last
	Signs    bool      `json:"signs,omitempty"`  // and said since that it signs with this key nevertheless
	Undone   int       `json:"undone,omitempty"` // how often in a row it was seen changed after it had confirmed this
	Tables   string    `json:"tables,omitempty"` // the files by which it was seen to sign, a line each; "" where it is asked
	Was      string    `json:"was,omitempty"`    // the names that it had before, with spaces between: files may have them still
}

// Intent is an effect about to happen; it is written before the effect (I7).
type Intent struct {
	Kind     Kind      `json:"kind"`
	Selector string    `json:"selector,omitempty"`
	Signer   string    `json:"signer,omitempty"`
	KeyID    string    `json:"key_id,omitempty"`
	Record   string    `json:"record,omitempty"`
	Version  int       `json:"version,omitempty"` // store: the version that the new one follows
	At       time.Time `json:"at"`
	Again    bool      `json:"again,omitempty"` // an earlier try of the same was cut off
	// in an emergency: the signers that are switched at the same time, since Signer is slow
	Beside []string `json:"beside,omitempty"`
}

// Switches reports whether a signer is about to switch.
func (i *Intent) Switches(signer string) bool {
	return i != nil && i.Kind == Activate && (i.Signer == signer || slices.Contains(i.Beside, signer))
}

// switched notes that a signer has switched; what was begun at the same time for others is open still (I7).
func switched(st *State, signer string) {
	if i := st.Intent; i.Switches(signer) && len(i.Beside) > 0 {
		rest := slices.DeleteFunc(append([]string{i.Signer}, i.Beside...), func(s string) bool { return s == signer })
		i.Signer, i.Beside = rest[0], rest[1:]
		return
	}
	st.Intent = nil
}

// Next says what comes next for a domain.
type Next struct {
	Action   codes.Action `json:"action"` // a Kind, or "rotate", "replace"
	Selector string       `json:"selector,omitempty"`
	At       time.Time    `json:"at"`
	Reason   Reason       `json:"reason"`
}

// Reason is why: a constant code for programs and a sentence for people.
type Reason struct {
	Code    codes.Code `json:"code"`
	Message string     `json:"message"`
}

// Event is one line of a domain's history: an attempt and its outcome.
type Event struct {
	Domain   string        `json:"domain"`
	At       time.Time     `json:"at"`
	By       string        `json:"by"` // who acted, for people: "root@mail1"
	Kind     Kind          `json:"kind"`
	Selector string        `json:"selector,omitempty"`
	Signer   string        `json:"signer,omitempty"`
	KeyID    string        `json:"key_id,omitempty"`
	Outcome  codes.Outcome `json:"outcome"` // "begun", "done", "failed", "refused"; of a look "noticed", "over"
	// what was found, where that differs from what the kind says: GoneAlready
	Code    codes.Code `json:"code,omitempty"`
	Message string     `json:"message,omitempty"`
	Phase   Phase      `json:"phase"` // after the event
}
