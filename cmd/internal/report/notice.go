package report

import "time"

// NoticeDocument is what hooks, webhooks and the audit log are given of one event. It never
// holds a secret.
type NoticeDocument struct {
	FormatVersion int       `json:"format_version"`
	ID            string    `json:"id"` // the same when a notice is delivered twice
	Event         string    `json:"event"`
	At            time.Time `json:"at"`
	By            string    `json:"by"`                // who acted, for people: "root@mail1"
	Command       string    `json:"command,omitempty"` // of one that ended before it began with a domain
	Domain        string    `json:"domain,omitempty"`
	Domains       []string  `json:"domains,omitempty"`  // instead of domain, when one cause stops many; at most 100
	Count         int       `json:"count,omitempty"`    // how many they are
	Phase         string    `json:"phase,omitempty"`    // of the domain, after the event
	Step          string    `json:"step,omitempty"`     // the kind of step that was done or failed
	Selector      string    `json:"selector,omitempty"` // which the event is about
	Previous      string    `json:"previous,omitempty"` // the selector that signs, or signed, before the switch
	Signer        string    `json:"signer,omitempty"`
	KeyID         string    `json:"key_id,omitempty"` // of the selector's key
	Message       string    `json:"message,omitempty"`
	Error         *Problem  `json:"error,omitempty"` // with failed and refused
}
