// Package exec lets a command of the operator's be a signer.
//
// The command is run without a shell, in a process group of its own that is
// killed as a whole at the time-out. It reads one JSON document of package protocol on standard
// input and writes one on standard output. A non-zero exit status is a failure of the
// whole batch; the end of standard error becomes part of the message, with
// whatever looks like key material taken out.
//
// The environment holds PATH, HOME and LANG of dkimbot, nothing else of it, and
// DKIMBOT_ACTION, DKIMBOT_SIGNER (the signer's name); for a batch of one domain
// also DKIMBOT_DOMAIN and, where the request has them, DKIMBOT_SELECTOR and
// DKIMBOT_KEY_ID. The private key is never in environment or arguments (I9).
//
// With Config.Milter, what signs is asked by a message that is never delivered, at every question and
// after every switch: the command's answer is no proof then (see package milter).
//
// It may import the leaves and the packages of rotate/signer.
package exec
