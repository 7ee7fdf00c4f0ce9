package finding

import "time"

// Reading is a configuration that a process has acted by.
type Reading struct {
	With string    `json:"with,omitempty"` // the signers and DNS accounts that it lists, for people and to compare
	At   time.Time `json:"at,omitzero"`    // when it was read
}
