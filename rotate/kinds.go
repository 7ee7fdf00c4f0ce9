package rotate

import "github.com/dkimbot/dkimbot/rotate/codes"

// Believe is the kind of the event that says that a state was given up for what DNS and the keystore hold.
const Believe = codes.ActionBelieve

// Applied is the kind of the event that says that a plan was taken up. It is no step of a plan.
const Applied = codes.ActionApply

// ClockSet is the kind of the event that says that the clock was set.
const ClockSet = codes.ActionClock

// Rename is the kind of the event that says that a signer has another name now.
const Rename = codes.ActionRename

// Accounts is the kind of the event that says that a domain has other DNS accounts now.
const Accounts = codes.ActionAccounts

// LeaseTaken is the kind of the event that says that a lease was taken over.
const LeaseTaken = codes.ActionLease

// Look is the kind of the events that say what a look at the domain found, and that it is over. It is no step.
const Look = codes.ActionLook
