// Package planfile is the plan as a document: what `plan --json` prints and
// `plan --out` saves, what people review, and what `apply` takes.
//
// It promises that a document reads back as it was written or not at all: one byte
// more, less or other is a fault that says what to do, and so is what New would never
// make, whoever computed the checksum. A document is signed with a key that only the
// state holds, so that text in it is known to be dkimbot's; of one that is not signed
// only what follows from its facts is shown. Beyond that, a plan is permission only:
// apply does nothing that would not be done anyway. A document never holds a private key (I9).
//
// It may import rotate, rotate/approval, rotate/finding, cmd/internal/report and the leaves.
package planfile
