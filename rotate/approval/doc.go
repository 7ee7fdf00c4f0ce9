// Package approval holds what a person agreed to when a saved plan is applied: its steps, and the
// conditions that it was made from. It says why a plan holds no more.
//
// An approval permits steps and does not order them: the engine always does what rotate/plan says at the
// time. The package is pure (I11).
package approval
