// Package planfile is the plan as a document: what `plan --json` prints and
// `plan --out` saves, what people review, and what `apply` takes.
//
// It promises that a document reads back as it was written or not at all: one byte
// more, less or other is a fault that says what to do. The checksum guards against
// accidents, not against people who mean harm; against those stands that a plan is
// permission only, and that apply does nothing that would not be done anyway. A
// document never holds a private key (I9).
//
// It may import the types of rotate, and rotate/fault.
package planfile
