// Package ports holds the small interfaces to all that is outside of the heart: keystores, DNS, signers, the store
// of the states with its leases and counts, the clock.
//
// Those that only read are apart from those that write, and the rooms that plan import none of them, so that
// planning can be given no method that changes anything (I11). Errors are faults (package fault): they say
// whether a retry can help. All methods are safe for concurrent use and honour ctx.
package ports

import (
	"context"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// KeyReader reads private keys.
type KeyReader interface {
	// Get returns the key at name with the given version, or the newest one
	// for version 0, with its version. Version 0 and a nil key are returned
	// when nothing is there.
	Get(ctx context.Context, name dkim.Name, version int) (*dkim.PrivateKey, int, error)
}

// Keystore keeps private keys. Each name has a sequence of versions.
type Keystore interface {
	KeyReader
	// Put stores key at name as the version that follows after, durably, and
	// returns its number, which is greater than after (0: nothing was there). When the newest version is not
	// after, nothing is written and the fault is Transient.
	Put(ctx context.Context, name dkim.Name, key *dkim.PrivateKey, after int) (int, error)
	// Destroy makes one version unrecoverable. Destroying what is not there succeeds.
	Destroy(ctx context.Context, name dkim.Name, version int) error
}

// Looker asks DNS what stands at a selector's name.
type Looker interface {
	Look(ctx context.Context, name dkim.Name) (rotate.Sight, error)
}

// Publisher writes key records to DNS.
type Publisher interface {
	// Publish makes rec the only TXT record at its owner name. It is idempotent
	// and does not wait until the record can be seen. When a value stands there that rec does not
	// replace (dkim.TXT.Replaces), nothing is changed and the fault is Refused with code "foreign-record" (I6);
	// where rec may stand beside it (dkim.TXT.Beside), a service that can changes dkimbot's own value alone. A
	// service that can compare and set in one step does; with others the
	// provider reads directly before it writes. rec's own value never conflicts: an
	// earlier attempt may have put it there without hearing that it did (I7).
	Publish(ctx context.Context, rec dkim.TXT) error
}

// SignerReader says what a signer signs with.
type SignerReader interface {
	// Active returns, for each of the domains that the signer signs for, the
	// key that is in use now. A domain that is not signed for is left out.
	Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error)
}

// Signer is what signs mail, on one host.
type Signer interface {
	SignerReader
	// Activate makes each key the only one that its domain is signed with, and
	// returns when the change is confirmed. It takes many domains at once: one
	// table write, one reload. On error each domain signs with its old key or the new one.
	Activate(ctx context.Context, keys []dkim.SigningKey) error
	// Lag is how long after Activate has returned the change is surely in effect.
	Lag() time.Duration
}

// Forgetter is implemented by signers that hold copies of private keys.
type Forgetter interface {
	// Forget removes the signer's copies of keys that are not in use any more.
	Forget(ctx context.Context, keys []dkim.Ref) error
}

// Hastener is implemented by signers whose switches may be yet to come when Activate has returned.
type Hastener interface {
	// Hasten has those of the switches to these keys that are yet to come happen at once. A switch of Activate that is
	// hurried does so by itself.
	Hasten(ctx context.Context, keys []dkim.Ref) error
	// HurriedLag is how long after that the change is surely in effect.
	HurriedLag() time.Duration
}

// Withdrawer is implemented by signers for which it is noted somewhere what they are asked for.
type Withdrawer interface {
	// Withdraw ends that a signer is asked for keys that are gone: it was taken off a domain's list, and is given no other
	// one. What it signs with is not changed.
	Withdraw(ctx context.Context, keys []dkim.Ref) error
}

// Sharer is implemented by signers that write their lines into files that hold lines of others, too.
type Sharer interface {
	// Overruled returns, by domain and for people, which line of others counts in the place of dkimbot's own, or which
	// key file that dkimbot's line names holds another key; or does as soon as the files are read again.
	Overruled(ctx context.Context, domains []string) map[string]string
}

// Keeper is implemented by signers whose programs sign with what they have read, whatever becomes of their files.
type Keeper interface {
	// Unkept returns, by domain and for people, what is missing or changed in the files of domains that are signed, so
	// that they would not be after the program's next start, or with another key; signs is what they are signed with
	// now. Activate writes it again.
	Unkept(ctx context.Context, signs map[string]dkim.Ref) map[string]string
}

// Fetcher is implemented by signers that may fetch private keys themselves.
type Fetcher interface {
	// Fetches reports whether the signer does: then it can be switched to a key by its name and
	// record alone, while the keystore does not answer or is empty. Activate fails then, and changes nothing,
	// if the key can't be fetched.
	Fetches() bool
}

// Lingerer is implemented by signers whose processes may need a key's file for as long as Lag after a switch.
type Lingerer interface {
	Lingers() bool
}

// Unmixed is implemented by signers that sign with one algorithm, whatever the key is: RSA keys, or Ed25519 keys.
type Unmixed interface {
	Unmixed() bool
}

// RSAOnly is implemented by signers that refuse Ed25519 keys, as they are set up: it says why, and what would change
// that; an empty why where they take them.
type RSAOnly interface {
	RSAOnly() (why, remedy string)
}

// Tabled is implemented by signers that sign by files that dkimbot writes.
type Tabled interface {
	// Tables returns the files' paths; none where the program is asked what it signs with.
	Tables() []string
	// SignedBy says which files these were before: while they stand with what dkimbot wrote, the program may read those.
	SignedBy(tables []string)
}

// Renamer is implemented by signers that leave their names where they write.
type Renamer interface {
	// KnownAs says which name the signer had before, as well: what it left under that is its own.
	KnownAs(was string)
}

// Screener is implemented by signers that can say beforehand that they would refuse a switch.
type Screener interface {
	// Screen returns, second, what would keep Activate from changing what the domains are signed with, whichever key
	// follows, with failures by domain as with Activate; and first by domain what would keep it from using just that
	// key. It changes nothing. A key comes with its record, and not itself; without a record it is yet to be made,
	// without a selector it is not known.
	Screen(ctx context.Context, next []dkim.SigningKey) (each map[string]error, whichever error)
}

// Several is implemented by signers behind which more hosts can stand than the one that says what it signs with.
type Several interface {
	// Hosts returns, first, what the host that is heard signs those of the domains with for which Active returns what it,
	// or one that is gone, signed with until now. Second it returns which host is not heard of any more, and may sign with
	// a key that was active on it, whatever the one that is heard signs with; nil when there is none.
	Hosts(ctx context.Context, domains []string) (here map[string]dkim.Ref, unheard error)
}

// Prober is implemented by signers whose mail can be looked at: what they say of themselves is not enough then. Both
// methods send mail, and return failures by domain as Activate does. One with codes.ProbeFailed says nothing of the
// signer: no message came to be seen.
type Prober interface {
	// Probes reports whether mail is looked at at all: one that wraps another signer may not know before it is asked.
	Probes() bool
	// Prove has each key's domain sign a message, and returns what keeps it from showing that mail of the domain is signed
	// with that key, and with nothing else.
	Prove(ctx context.Context, keys []dkim.SigningKey) error
	// Signed has each domain sign a message, and returns the keys that it is signed with: none where it is not. A key
	// that can't be found out has no id. Domains that were not asked about are left out.
	Signed(ctx context.Context, domains []string) (map[string][]dkim.Ref, error)
}

// StateReader reads where domains stand.
type StateReader interface {
	// Load returns the domain's state; for a domain that was never stored a
	// State with Revision 0 and Phase New.
	Load(ctx context.Context, domain string) (rotate.State, error)
}

// Store keeps where each domain stands.
type Store interface {
	StateReader
	// Acquire takes the lease on a domain: no one else acts on it until it is
	// released (I8). When another owner holds it, the error is a *HeldError, unless
	// that is the lease to evict, and is unchanged. The same owner may take it again.
	Acquire(ctx context.Context, req LeaseRequest) (Lease, error)
	// Renew shows to whoever watches the lease that its owner is at work. It is
	// refused with codes.LeaseLost when the lease is not held any more.
	Renew(ctx context.Context, l Lease, now time.Time) error
	// Release gives the lease back; one that was lost meanwhile is left alone.
	Release(ctx context.Context, l Lease) error
	// Save writes st and appends the events in one transaction, if the lease is
	// still held and st.Revision is the stored revision; it returns the new revision
	// and renews the lease. Otherwise nothing is written.
	Save(ctx context.Context, l Lease, now time.Time, st rotate.State, events ...rotate.Event) (int64, error)
	// LookAgain makes the domain's turn to be looked after come at at, or when it
	// would come if that is earlier, and every LookClosely after that until closely.
	// It appends the events. It needs no lease, and changes no state.
	LookAgain(ctx context.Context, domain string, at, closely time.Time, events ...rotate.Event) error
}
