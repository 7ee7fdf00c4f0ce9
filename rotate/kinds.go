package rotate

// Believe is the kind of the event that says that a state was given up for what DNS
// and the keystore hold.
const Believe Kind = "believe"

// Applied is the kind of the event that says that a plan was taken up. It is no
// step of a plan.
const Applied Kind = "apply"

// ClockSet is the kind of the event that says that the clock was set.
const ClockSet Kind = "clock"

// LeaseTaken is the kind of the event that says that a lease was taken over.
const LeaseTaken Kind = "lease"

// GoneAlready is the code of a Destroy event that found no key to destroy.
const GoneAlready = "gone-already"

// KeptAlready is the code of a StoreKey event that took up a key which the keystore held.
const KeptAlready = "kept-already"

// Look is no step: it is the kind of the events that tell what a look at the domain
// found, and that it is over. See Finding.
const Look Kind = "look"
