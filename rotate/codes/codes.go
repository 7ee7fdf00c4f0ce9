// Package codes is the list of every code that dkimbot gives to programs: in JSON, logs, hooks
// and the audit log. A code keeps its name and meaning for good. dkimbot-codes(7) says for each
// what it means and what to do; its sections are the blocks of this file.
//
// It is a leaf: every room may import it and it imports nothing.
package codes

// Code names an error, a reason or a drift.
type Code string

// Action names a step of a plan, a line of a domain's history, or what comes next for a domain.
type Action string

// Outcome names how an attempt or a health check went.
type Outcome string

// Errors of the configuration and the command line.
const (
	Usage            Code = "usage"             // the command line is wrong
	Configuration    Code = "configuration"     // the configuration is wrong
	OldConfiguration Code = "old-configuration" // another process has worked by a newer configuration of the domain
	Interrupted      Code = "interrupted"       // a signal ended the command between two steps
	Error            Code = "error"             // an error without a code of its own
	Refused          Code = "refused"           // a refusal without a code of its own
	UnknownSigner    Code = "unknown-signer"    // the named signer does not sign for the domain
	UnknownSelector  Code = "unknown-selector"  // the domain has no key at the named selector
	NoKeyYet         Code = "no-key-yet"        // the selector has no key yet
	NoSigners        Code = "no-signers"        // no signer is named for the domain
	SelectorsChanged Code = "selectors-changed" // the policy names other selectors than those under management
	SelectorsKept    Code = "selectors-kept"    // other selectors were asked for, and the policy names the same
	SelectorsOverlap Code = "selectors-overlap" // the policy names a selector whose key mail may still need
)

// Errors of state and leases.
const (
	LostState     Code = "lost-state"     // keys or a log exist, and the state does not know them
	StaleState    Code = "stale-state"    // the state is older than what DNS and the keystore hold
	DamagedState  Code = "damaged-state"  // the state database can't be read, or a domain's state contradicts itself
	NewerState    Code = "newer-state"    // a newer dkimbot wrote the state
	StaleRevision Code = "stale-revision" // another process changed the domain at the same time
	StateExists   Code = "state-exists"   // a backup was to be restored, or made, where something stands
	UnknownPhase  Code = "unknown-phase"  // the state has a phase that this version does not know
	LeaseHeld     Code = "lease-held"     // another process works on the domain
	LeaseLost     Code = "lease-lost"     // the process was stopped for a while, and another one took over
)

// Errors of DNS.
const (
	ForeignRecord  Code = "foreign-record"  // a record that dkimbot did not make stands at the selector
	SeveralRecords Code = "several-records" // the DNS account holds several TXT records at the name
	SharedName     Code = "shared-name"     // two selectors lead to one name by CNAMEs
	CNAME          Code = "cname"           // a CNAME and another record can't stand at one name
	CNAMELoop      Code = "cname-loop"      // the CNAMEs lead in a circle or too far
	DNAME          Code = "dname"           // a DNAME covers the name
	TTL            Code = "ttl"             // other records at the name have another TTL
	ZoneCut        Code = "zone-cut"        // the name is delegated to other servers
	ChildZone      Code = "child-zone"      // the name lies in a child zone
	WrongZone      Code = "wrong-zone"      // the servers answer from another zone than the configured one
	NoZone         Code = "no-zone"         // DNS has no such zone
	NoAnswer       Code = "no-answer"       // no server gives an answer
	UnsignedAnswer Code = "unsigned-answer" // the answer to an update is not signed with the TSIG key
	RecordGone     Code = "record-gone"     // the old key's record is missing from DNS, so signers can't go back to it now
	SelfTest       Code = "self-test"       // a test message does not verify against the record
)

// Errors of the keystore.
const (
	ForeignSecret   Code = "foreign-secret"   // the keystore holds something that dkimbot did not make in the key's place
	DeletedSecret   Code = "deleted-secret"   // somebody deleted a version of the key
	DamagedKey      Code = "damaged-key"      // what was read back is not what was stored
	VersionConflict Code = "version-conflict" // somebody else wrote a newer version at the same time
	OldKeystore     Code = "old-keystore"     // the keystore is older than DNS and the state, as after a restore
	KeystoreMissing Code = "keystore-missing" // the key directory is missing, and the state knows keys that are in it
	ReplacedKey     Code = "replaced-key"     // the key to adopt was replaced or reported as compromised before
	VaultSealed     Code = "vault-sealed"     // Vault is sealed
	VaultForbidden  Code = "vault-forbidden"  // Vault's policy does not allow the call
	VaultMount      Code = "vault-mount"      // nothing is mounted at keystore.mount, or not KV version 2
	VaultLogin      Code = "vault-login"      // Vault refused the login
)

// Errors of signers.
const (
	SignerUnseen      Code = "signer-unseen"       // a signer does not answer which key it uses, so no key is replaced
	ForeignSignerLine Code = "foreign-signer-line" // another line of the tables signs with the same entry or key, or with several
	OtherSigner       Code = "other-signer"        // the block in the table belongs to another signer name
	DamagedBlock      Code = "damaged-block"       // dkimbot's block in the table has no end
	MissingTable      Code = "missing-table"       // one of the two tables is missing
	MovedTable        Code = "moved-table"         // the configuration names another table than the one with dkimbot's block
	UnreadableTable   Code = "unreadable-table"    // the signer's user can't read the table
	NoMap             Code = "no-map"              // the file is none of rspamd's maps
	UnloadableLine    Code = "unloadable-line"     // the signer can't load a line of the table
	TableNames        Code = "table-names"         // the table has several names (hard links)
	UnsafeFile        Code = "unsafe-file"         // a file or link stands where only root and dkimbot's user may write
	UnsafeKeyDir      Code = "unsafe-key-dir"      // others could replace keys in this directory, or the signer can't reach it
	KeyOwner          Code = "key-owner"           // the user that the signer runs as can't read keys in this directory
	ForeignKeyFile    Code = "foreign-key-file"    // another file, or another domain's key, stands in the place of a key file
	KeyInUse          Code = "key-in-use"          // the signer still signs with the key that is to be removed
	UnprovenAlgorithm Code = "unproven-algorithm"  // an Ed25519 key needs milter, so that the switch can be proved
	AgentSilent       Code = "agent-silent"        // an agent has not reported lately, or not since it was asked
	AgentLost         Code = "agent-lost"          // a host that reported as an agent is not heard of any more
	AgentRights       Code = "agent-rights"        // an agent's token may do more than an agent needs
	AgentDocument     Code = "agent-document"      // what coordinator or agent wrote can't be used
	AgentUnreachable  Code = "agent-unreachable"   // the host of an agent can't be reached by ssh, or did not answer in time
	AgentHostKey      Code = "agent-host-key"      // the host of an agent has another host key than is known
	AgentLogin        Code = "agent-login"         // the host of an agent does not let dkimbot in by ssh
	MailDiffers       Code = "mail-differs"        // a probe shows mail that is not signed once with the expected selector
	ProbeFailed       Code = "probe-failed"        // no probe message came to be seen, which says nothing of the signer
)

// Errors of the preflight.
const (
	Unanswered     Code = "unanswered"      // a part did not answer in time
	CommandMissing Code = "command-missing" // a command of the configuration is missing or can't be run
	UnsafeSignal   Code = "unsafe-signal"   // the signal of reload_signal would end the daemon
	NotWritable    Code = "not-writable"    // dkimbot could not write there
	NotAllowed     Code = "not-allowed"     // the DNS account may not change the record
	ServersSilent  Code = "servers-silent"  // a name server does not answer
	Unreachable    Code = "unreachable"     // a DNS account, Vault or the address of a notice can't be reached
)

// Errors of plans, limits and hooks.
const (
	StalePlan      Code = "stale-plan"      // something changed since the plan was made
	UnsignedPlan   Code = "unsigned-plan"   // the plan has no signature: an older dkimbot or somebody else made it
	TamperedPlan   Code = "tampered-plan"   // the plan was changed after it was made
	DamagedPlan    Code = "damaged-plan"    // the file is not as dkimbot wrote it
	NotYet         Code = "not-yet"         // the plan is for a later time
	Window         Code = "window"          // no maintenance window is open
	Freeze         Code = "freeze"          // a freeze is in effect
	OnHold         Code = "on-hold"         // a person put the domain on hold, or rolled back: the schedule begins no switch
	NotOnHold      Code = "not-on-hold"     // the domain is not on hold
	PlanOnly       Code = "plan-only"       // the domain is changed by applied plans only
	Threshold      Code = "threshold"       // as many domains as allowed have started to switch
	Vetoed         Code = "vetoed"          // a hook of notify.hooks.before_switch does not allow the switch
	AuditUnwritten Code = "audit-unwritten" // the audit log can't be written, so no switch starts
)

// Errors of adopt, rollback and release.
const (
	ManagedAlready      Code = "managed-already"        // dkimbot manages the domain already
	SelectorNotInPolicy Code = "selector-not-in-policy" // the policy does not name the key's selector
	TwoKeys             Code = "two-keys"               // two keys are given for one selector
	NoKey               Code = "no-key"                 // the source has no key for the domain
	NoRecord            Code = "no-record"              // DNS shows no record for the key, so no receiver can use it
	TwoRecords          Code = "two-records"            // DNS shows several records at the name
	BadRecord           Code = "bad-record"             // the record can't be used
	RevokedRecord       Code = "revoked-record"         // the record says that the key is revoked
	RecordUnsettled     Code = "record-unsettled"       // not every server shows the same record
	OtherKey            Code = "other-key"              // DNS shows another key than the one given
	DNSUnchecked        Code = "dns-unchecked"          // verify.mode is none, so the record can't be seen
	ActiveUnclear       Code = "active-unclear"         // the signers do not all use one of the given keys
	ActiveNotAdopted    Code = "active-not-adopted"     // the key of --active is not among those to adopt
	EncryptedKey        Code = "encrypted-key"          // the key file has a passphrase
	WeakKey             Code = "weak-key"               // the key is too short
	UnusableKey         Code = "unusable-key"           // the file has no RSA or Ed25519 private key in PEM
	NothingToRollBack   Code = "nothing-to-roll-back"   // no switch is in progress, or the old key is being replaced
	Leaked              Code = "leaked"                 // the key to go back to is compromised
	ReportedBefore      Code = "reported-before"        // signers have just left a reported key, and no selector is named
	WhichKey            Code = "which-key"              // two keys sign, and a report names no selector
	NotManaged          Code = "not-managed"            // dkimbot does not sign for the domain yet
	Released            Code = "released"               // the domain was released
	NotReleased         Code = "not-released"           // --undo was given for a domain that was never released
	NotAtRest           Code = "not-at-rest"            // a switch, or work on a compromised key, is in progress
	BeingPurged         Code = "being-purged"           // release --purge has started to remove records and keys
)

// Drift.
const (
	RecordVanished  Code = "record-vanished"  // DNS shows nothing any more
	RecordEarlier   Code = "record-earlier"   // DNS shows a record of dkimbot's that was replaced
	RecordsDoubled  Code = "records-doubled"  // two records, both dkimbot's
	RecordForeign   Code = "record-foreign"   // a record that dkimbot did not make stands in its place
	RecordSecond    Code = "record-second"    // beside dkimbot's record stands another
	RecordRewritten Code = "record-rewritten" // somebody gave the record of dkimbot's key other tags
	RecordExposed   Code = "record-exposed"   // the key at a selector of earlier is compromised, and not revoked
	RecordElsewhere Code = "record-elsewhere" // a DNS account of earlier holds the record of a compromised key
	MailFails       Code = "mail-fails"       // signers sign with a key that was revoked, or whose record somebody replaced
	ServersDiffer   Code = "servers-differ"   // not every server shows the same
	RecordBogus     Code = "record-bogus"     // its zone is signed, and validating resolvers reject it
	RecordUnseen    Code = "record-unseen"    // DNS could not be asked
	SignerStrays    Code = "signer-strays"    // it signs with something else
	SignerEmpty     Code = "signer-empty"     // it does not sign: a rebuilt host
	SignerSilent    Code = "signer-silent"    // it does not say what it signs with
	SignerStuck     Code = "signer-stuck"     // it signs, and would refuse to be switched
	SignerOverruled Code = "signer-overruled" // a line of others counts in the place of dkimbot's own
	SignerUnkept    Code = "signer-unkept"    // it signs, and the lines that it needs at its next start are gone
	SignerLeftOver  Code = "signer-left-over" // it is no longer listed, and may sign with a key that stands
	KeyMissing      Code = "key-missing"      // the keystore does not hold it any more
	KeyDifferent    Code = "key-different"    // the newest one is not dkimbot's
	KeyUnread       Code = "key-unread"       // the keystore could not be asked, or what it holds can't be read
	AccountsSwapped Code = "accounts-swapped" // all DNS accounts of the domain were exchanged for others in one edit
)

// Reasons.
const (
	Bootstrap    Code = "bootstrap"     // the domain is new and gets its two keys
	Idle         Code = "idle"          // one selector signs, and the other waits for the next rotation
	Schedule     Code = "schedule"      // the schedule made a rotation due, or will
	Asked        Code = "asked"         // a person asked for a rotation
	StoredFirst  Code = "stored-first"  // the private key is stored and read back before its record is published
	Verify       Code = "verify"        // the record must show on every authoritative server before anything relies on it
	BeforeUse    Code = "before-use"    // the record is looked up once more just before a signer uses the key
	Cache        Code = "cache"         // resolvers may still remember that nothing was published there
	Settle       Code = "settle"        // another key stood there before, and receivers may still hold it
	Switching    Code = "switching"     // a switch has started, and not every signer has confirmed it
	Drain        Code = "drain"         // mail that was signed with the old key may be in flight
	Replace      Code = "replace"       // the drain has passed, and the selector gets a fresh key
	Replaced     Code = "replaced"      // the new record is public, and the old private key is destroyed
	Dropped      Code = "dropped"       // a key was given up before a signer used it
	SelectorLeft Code = "selector-left" // the domain has other selectors, and no mail needs the key any more
	Resume       Code = "resume"        // an earlier attempt was interrupted
	Vanished     Code = "vanished"      // a record is missing from DNS
	Adopt        Code = "adopt"         // a key that is in use is taken under management
	Compromised  Code = "compromised"   // the key was reported as compromised
	Revoked      Code = "revoked"       // a compromised key's record gets an empty p=
	Purge        Code = "purge"         // the domain was released with --purge, and records and keys are removed
	Rollback     Code = "rollback"      // signers go back to the selector that signed before
	Held         Code = "held"          // a signer was sent back by rollback --signer
	Limit        Code = "limit"         // as many domains as allowed have started to switch
	Failed       Code = "failed"        // the last attempt failed
	GoneAlready  Code = "gone-already"  // the key to destroy was missing from the keystore already
	KeptAlready  Code = "kept-already"  // the key to store was in the keystore already
)

// Reasons of stale plans.
const (
	Applied        Code = "applied"         // the plan was applied to the domain already
	NothingPlanned Code = "nothing-planned" // the plan has nothing to do for the domain
	StateMoved     Code = "state-moved"     // somebody else has worked on the domain
	NotPlanned     Code = "not-planned"     // the domain now needs a step that is not in the plan
	RecordChanged  Code = "record-changed"  // a record in DNS has changed
	KeyChanged     Code = "key-changed"     // the newest key in the keystore has changed
	SignerChanged  Code = "signer-changed"  // a signer signs with another key
	ConfigChanged  Code = "config-changed"  // the configuration of the domain has changed
	Lineage        Code = "lineage"         // the plan belongs to another state, or the state is missing
	Expired        Code = "expired"         // the plan has expired
	FromTheFuture  Code = "from-the-future" // the plan was made at a time that is yet to come
	Unsigned       Code = "unsigned"        // the plan has no signature
	Tampered       Code = "tampered"        // the plan was changed after it was made
)

// Warnings.
const (
	PurgeWaits             Code = "purge-waits"              // a signer signs with what is to be purged, or does not answer
	ForeignSelectorUsed    Code = "foreign-selector-used"    // a new domain's signer signs with a selector that is not dkimbot's
	ForeignSelectorUnclear Code = "foreign-selector-unclear" // a signer that used such a selector does not answer
	ForeignSelectorEnds    Code = "foreign-selector-ends"    // no mail needs such a selector's record after a time
	RecordLeft             Code = "record-left"              // no mail needs the record of an earlier selector any more
	RecordKept             Code = "record-kept"              // records of a selector that is left stay until their mail has arrived
	RemovalUnseen          Code = "removal-unseen"           // it can't be seen whether such a record was removed
	ChainUnchecked         Code = "chain-unchecked"          // the zone is signed, and what stands above it could not be checked
	AlgorithmKept          Code = "algorithm-kept"           // a signer can't use the kind of key that the policy asks for
	AlgorithmLater         Code = "algorithm-later"          // keys are of another kind than the policy asks for, for now
	TestingFlag            Code = "testing-flag"             // the record says that signatures are a test
	CompromisedInUse       Code = "compromised-in-use"       // signers sign with a compromised key, which is not revoked
	EndUnknown             Code = "end-unknown"              // what comes after the steps can't be foreseen
	OutsideBlock           Code = "outside-block"            // an adopted record stands in a zone file where dkimbot changes nothing
	ReplacementRefused     Code = "replacement-refused"      // after a switch, the selector that is left could not get its fresh key
	KeyCopy                Code = "key-copy"                 // a copy of an adopted key stays where a signer had it
)

// Steps and actions.
const (
	ActionGenerate    Action = "generate"    // make a key pair
	ActionStore       Action = "store"       // store the private key in the keystore
	ActionPublish     Action = "publish"     // put the key record into DNS
	ActionVerify      Action = "verify"      // see the record on every authoritative server, and test the key against it
	ActionActivate    Action = "activate"    // make a signer sign with the key
	ActionDrain       Action = "drain"       // wait for mail in flight
	ActionRevoke      Action = "revoke"      // publish the record with an empty p=
	ActionDestroy     Action = "destroy"     // destroy the private key
	ActionLook        Action = "look"        // a health check found something, or found that it is over
	ActionBootstrap   Action = "bootstrap"   // make the first keys of a new domain
	ActionRotate      Action = "rotate"      // switch to the other selector
	ActionReplace     Action = "replace"     // replace the old key after the drain
	ActionRepair      Action = "repair"      // publish a missing record again
	ActionRetry       Action = "retry"       // retry what failed
	ActionResume      Action = "resume"      // continue a switch that a partial rollback paused
	ActionAdopt       Action = "adopt"       // take a key that is in use under management
	ActionBelieve     Action = "believe"     // take what DNS and the keystore hold as the truth
	ActionApply       Action = "apply"       // a plan was applied
	ActionRollback    Action = "rollback"    // a person asked for a rollback
	ActionCompromised Action = "compromised" // a person reported a key as compromised
	ActionHold        Action = "hold"        // a person put the domain on hold
	ActionUnhold      Action = "unhold"      // a person ended the hold
	ActionRelease     Action = "release"     // a person released the domain, or took it back
	ActionRenew       Action = "renew"       // a person asked for a fresh key at the standby selector
	ActionSelectors   Action = "selectors"   // a person asked to move over to the selectors that the policy names
	ActionAccounts    Action = "accounts"    // the domain has other DNS accounts now, by the configuration
	ActionRename      Action = "rename"      // a signer has another name now, by the configuration
	ActionLease       Action = "lease"       // a process took the domain over from one that has died
	ActionClock       Action = "clock"       // the machine's clock was set
)

// Outcomes.
const (
	OutcomeBegun   Outcome = "begun"   // the step has started
	OutcomeDone    Outcome = "done"    // the step is done
	OutcomeSkipped Outcome = "skipped" // nothing was left to do for the step
	OutcomeFailed  Outcome = "failed"  // the step failed
	OutcomeRefused Outcome = "refused" // a safety rule did not allow the step
	OutcomeNoticed Outcome = "noticed" // a health check found a drift
	OutcomeOver    Outcome = "over"    // the drift is over
)
