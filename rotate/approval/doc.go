// Package approval holds what a person agreed to when a saved plan is applied: its steps, and the
// conditions that it was made from. It says why a plan holds no more.
//
// An approval is permission and no program: what is done is always what rotate/plan says at the
// time. The package is pure (I11).
package approval
