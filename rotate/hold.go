package rotate

import "time"

// OnHold says since when the schedule begins no switch of a domain.
type OnHold struct {
	At time.Time `json:"at"`
	By string    `json:"by,omitempty"` // who put it on hold; "" after a rollback
	// after a rollback: the key that signers went back from. The hold ends when another key takes its
	// place, or a person asks for a rotation.
	KeyID string `json:"key_id,omitempty"`
}

// Concerns reports whether the hold, which may be nil, keeps the schedule from switching to a key.
func (h *OnHold) Concerns(key *Key) bool {
	return h != nil && (h.KeyID == "" || key != nil && key.ID == h.KeyID)
}

// afterRollback returns the hold after all signers went back from a key: who sent them decides when it is used again.
func (h *OnHold) afterRollback(key *Key, at time.Time) *OnHold {
	if key == nil || !key.Leaked.IsZero() || h != nil && h.KeyID == "" {
		return h
	}
	return &OnHold{At: at, KeyID: key.ID}
}

// afterSwitch returns the hold after a switch has begun: one that a rollback has left is over.
func (h *OnHold) afterSwitch() *OnHold {
	if h == nil || h.KeyID != "" {
		return nil
	}
	return h
}
