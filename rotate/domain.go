package rotate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Domain is what the configuration wants for one signing domain. It is plain data: what a
// command asks of the domain is a Request.
type Domain struct {
	Name     string   `json:"name"`     // d=, in the normal form of dkim.ParseDomain
	Provider string   `json:"provider"` // the provider's name in the configuration, for people
	Signers  []string `json:"signers"`  // the signers' names in the configuration; every one must switch
	Policy   Policy   `json:"policy"`

	// Also has the names of further providers, while the name servers move: records are published there, too.
	Also []string `json:"also,omitempty"`
	// Configured has the names of all providers of the configuration, of any domain's.
	Configured []string  `json:"-"`
	ReadAt     time.Time `json:"-"` // when the configuration was read; zero: that is not known

	// Renamed has, by their names now, the names that signers had before.
	Renamed map[string]string `json:"renamed,omitempty"`

	// VerifyTimeout is how long a new record may take to show on every server
	// before the attempt counts as failed and is retried later.
	VerifyTimeout time.Duration `json:"verify_timeout"`

	// Limits hold back the beginning of changes.
	Limits Limits `json:"limits,omitzero"`
}

// Policy holds the timing and the kind of keys.
type Policy struct {
	Schedule  string         `json:"schedule"` // cron expression: when a rotation becomes due
	Timezone  string         `json:"timezone"` // the schedule's zone, as in the IANA database
	Drain     time.Duration  `json:"drain"`    // from the last signer's confirmed switch to the replacement (I2, I10)
	Settle    time.Duration  `json:"settle"`   // how long a replaced record must have been public before it is used (I2)
	Key       dkim.Algorithm `json:"key"`
	Selectors [2]string      `json:"selectors"`
	TTL       time.Duration  `json:"ttl"`
	Note      string         `json:"note"`  // n= of the key records
	Splay     time.Duration  `json:"splay"` // spreads the domains of a large fleet after the due time
}

// Fingerprint changes when anything that the configuration wants of d changes.
func (d Domain) Fingerprint() string {
	text, err := json.Marshal(d)
	if err != nil {
		panic("rotate: a Domain does not marshal: " + err.Error()) // plain data always does
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Other returns the selector that is not s.
func (p Policy) Other(s string) string {
	if s == p.Selectors[0] {
		return p.Selectors[1]
	}
	return p.Selectors[0]
}

// Phase says where a domain stands.
type Phase string

// The phases, in the order of a rotation. See the package documentation.
const (
	New           Phase = "new"           // nothing has been done yet
	Bootstrapping Phase = "bootstrapping" // both first keys are being made, published and put to use
	Ready         Phase = "ready"         // signing; the standby waits for the schedule
	Switching     Phase = "switching"     // some signers may have switched, not all have confirmed
	Draining      Phase = "draining"      // all signers have switched; mail in flight is waited for
	Replacing     Phase = "replacing"     // the drained selector gets its fresh key
)

// Phases returns all phases that this version knows.
func Phases() []Phase { return []Phase{New, Bootstrapping, Ready, Switching, Draining, Replacing} }

// A domain has several DNS accounts while its name servers move from one to another: each record is
// published to all, and counts when the servers of all show it.

// Accounts returns the names of the providers that hold the domain's records.
func (d Domain) Accounts() []string { return append([]string{d.Provider}, d.Also...) }

// Through names the providers, for people.
func (d Domain) Through() string { return strings.Join(d.Accounts(), " and ") }
