package rotate

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
)

// Request is what a command asks of a domain, apart from its configuration. It is plain
// data. The zero Request asks for nothing but what is due.
type Request struct {
	// Asked says that a person wants a rotation now, whatever the schedule says.
	// It cuts no wait short.
	Asked bool
	// Named says that a person named the domain: a change that the limits do not allow
	// now is refused then, so that it is not waited for unawares.
	Named bool
	// Patient says that a person waits for what becomes of the domain: another process
	// that works on it is waited for a little. Settle sets it where Named is.
	Patient bool
	// Ignore names the limits that a person overrides.
	Ignore Ignore
	// Approved says that the changes come from a plan that a person has approved and
	// now applies. It is what Limits.PlanOnly asks for; windows and freezes hold all
	// the same, unless Ignore overrides them.
	Approved bool
	// Instruction is what a person wants done with the domain first, once; nil for nothing.
	Instruction Instruction
}

// Patience returns how long another process that is seen to work on the domain is waited for. A person's command waits
// a little. A report of compromised keys waits longer than most steps take: nothing else would know of it.
func (r Request) Patience() time.Duration {
	const person, report = 10 * time.Second, 10 * time.Minute
	if _, leaked := r.Instruction.(Compromised); leaked {
		return report
	}
	if r.Named || r.Patient {
		return person
	}
	return 0
}

// Ignore names the limits that a person overrides for one run; each word exactly its own.
type Ignore struct {
	Windows  bool // Limits.Windows
	Freezes  bool // Limits.Freezes
	Counts   bool // Parts.Counts: how many domains may switch
	PlanOnly bool // Limits.PlanOnly
}

// Instruction is what a person asks dkimbot to do with a domain beside its schedule:
// Rollback, Compromised, Release, Reclaim, Hold, Unhold, Renew, ChangeSelectors or Carry. It is plain data. An
// instruction only changes what the state wants; the planner plans from it like from everything else, so what can't
// be done at once is tried again until it is done.
type Instruction interface {
	// Kind is what the history calls it.
	Kind() Kind
}

// The instructions, as the history names them.
const (
	RollBack          = codes.ActionRollback
	ReportCompromised = codes.ActionCompromised
	ReleaseDomain     = codes.ActionRelease
	PutOnHold         = codes.ActionHold
	EndHold           = codes.ActionUnhold
	Resume            = codes.ActionResume // a switch that a partial rollback paused continues

	RenewStandby = codes.ActionRenew
	NewSelectors = codes.ActionSelectors
)

// Rollback sends signers back to the selector that signed before, at once and without waiting for DNS: its record
// still stands. When all signers are sent back the domain is ready again as it was before the switch; when only some
// are, the switch is paused until a rotation is asked for again.
type Rollback struct {
	Signers []string // none: all of the domain's
}

// Kind implements Instruction.
func (Rollback) Kind() Kind { return RollBack }

// Compromised says that private keys may be in others' hands. Signers are switched to
// a good key as soon as there is one, without waiting for settle; the compromised key's
// record is revoked (empty p=, RFC 6376 section 3.6.1), its private key destroyed,
// and a fresh one made in its place. The drain is cut short: mail in flight that
// was signed with the compromised key no longer verifies.
//
// A key that signs is revoked when at least one signer has left it. As long as none could be switched, revoking would
// leave no way to send mail that verifies; who wants it nevertheless says RevokeNow. What is revoked needs neither the
// keystore nor the other selector.
type Compromised struct {
	// none: the one that signs, or that signers have left for an earlier report and that is yet to be replaced
	Selectors []string
	EveryKey  bool              // all keys that the domain has, also at selectors of before; Selectors is empty
	RevokeNow bool              // revoke even while every signer still signs with the key
	Keys      map[string]string // by selector, the keys that are meant, and none that took their place; may be nil
}

// Kind implements Instruction.
func (Compromised) Kind() Kind { return ReportCompromised }

// Release hands a domain back. Records, private keys and signers stay as they are. With Purge both records are
// revoked and both private keys destroyed when no signer has signed with either for as long as the drain.
type Release struct {
	Purge bool
}

// Kind implements Instruction.
func (Release) Kind() Kind { return ReleaseDomain }

// Reclaim takes a released domain back under management, as it was.
type Reclaim struct{}

// Kind implements Instruction.
func (Reclaim) Kind() Kind { return ReleaseDomain }

// Hold puts a domain on hold: no switch begins until Unhold. Everything else continues: a rotation
// under way, repairs, emergencies.
type Hold struct{}

// Kind implements Instruction.
func (Hold) Kind() Kind { return PutOnHold }

// Unhold ends a hold, also one that a rollback has left.
type Unhold struct{}

// Kind implements Instruction.
func (Unhold) Kind() Kind { return EndHold }

// Renew has the standby's key replaced by a fresh one, of the kind that the policy asks for, as soon as no
// mail can need it.
type Renew struct{}

// Kind implements Instruction.
func (Renew) Kind() Kind { return RenewStandby }

// ChangeSelectors has the domain move over to the selectors that its policy names by now.
type ChangeSelectors struct{}

// Kind implements Instruction.
func (ChangeSelectors) Kind() Kind { return NewSelectors }

// Carry continues, for all signers, a switch that a rollback of some paused.
type Carry struct{}

// Kind implements Instruction.
func (Carry) Kind() Kind { return Resume }

// In returns the request as it applies to a domain in the given state: a rotation is asked of a domain that is ready
// for one; otherwise the turn under way continues, for signers that were sent back too.
func (r Request) In(have State, signers []string) Request {
	if r.Asked && r.Instruction == nil && have.Phase == Switching && len(have.Held) > 0 && !have.HeldAll(signers) {
		r.Instruction = Carry{}
	}
	r.Asked = r.Asked && have.Phase == Ready
	return r
}
