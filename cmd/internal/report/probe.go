package report

import "time"

// ProbeDocument is `probe --json`.
type ProbeDocument struct {
	FormatVersion int     `json:"format_version"`
	OK            bool    `json:"ok"` // each message is signed as it should be
	Probes        []Probe `json:"probes"`
}

// Probe is one message of a domain, through one signer.
type Probe struct {
	Domain     string           `json:"domain"`
	Signer     string           `json:"signer"`
	Expected   string           `json:"expected_selector,omitempty"` // "": any
	OK         bool             `json:"ok"`
	SentAt     *time.Time       `json:"sent_at"`
	ArrivedAt  *time.Time       `json:"arrived_at"`
	Signatures []ProbeSignature `json:"signatures"`
	Warnings   []string         `json:"warnings,omitempty"`
	Problem    *Problem         `json:"problem,omitempty"`
}

// ProbeSignature is one signature that a message carries.
type ProbeSignature struct {
	Field     string     `json:"field"` // "DKIM-Signature", "ARC-Message-Signature", "ARC-Seal" or "DKIM2-Signature"
	Domain    string     `json:"domain"`
	Selector  string     `json:"selector"`
	Algorithm string     `json:"algorithm"`
	Own       bool       `json:"own"`             // a DKIM-Signature of the domain that was asked about
	Valid     *bool      `json:"valid"`           // null: it was not verified
	Error     string     `json:"error,omitempty"` // why it does not verify
	KeyID     string     `json:"key_id,omitempty"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}
