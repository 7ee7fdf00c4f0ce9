package report

import (
	"bytes"
	"encoding/json"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// StatusDocument is `status --json`.
type StatusDocument struct {
	FormatVersion int            `json:"format_version"`
	Summary       Counts         `json:"summary"`
	Domains       []DomainStatus `json:"domains"`
	Unlisted      []Unlisted     `json:"unlisted"` // domains that the configuration lists no more
}

// DomainStatus is where one domain stands. Active, Standby and Draining are null where no selector is that.
type DomainStatus struct {
	Name      string                    `json:"name"`
	Phase     string                    `json:"phase"`
	Active    *string                   `json:"active"`
	Standby   *string                   `json:"standby"`
	Draining  *string                   `json:"draining"`
	Selectors map[string]SelectorStatus `json:"selectors"`
	Signers   map[string]SignerStatus   `json:"signers"`
	Next      *rotate.Next              `json:"next"`
	DueAt     *time.Time                `json:"due_at"`
	Failures  int                       `json:"failures"`
	LastError *string                   `json:"last_error"`
	Former    []FormerSelector          `json:"former,omitempty"`
	// signers that were sent back while the others switched
	Held     []string          `json:"held,omitempty"`
	OnHold   *rotate.OnHold    `json:"on_hold,omitempty"`  // the schedule begins no switch
	Released *ReleaseState     `json:"released,omitempty"` // the domain was released
	Drift    []finding.Finding `json:"drift"`              // what was not as it should be at the last look
}

// SelectorStatus is what state knows of a selector.
type SelectorStatus struct {
	KeyID       string     `json:"key_id,omitempty"`
	Record      string     `json:"record,omitempty"`
	PublishedAt *time.Time `json:"published_at,omitempty"`
	VerifiedAt  *time.Time `json:"verified_at,omitempty"`
	LastUsedAt  *time.Time `json:"last_used_at,omitempty"`
	LeakedAt    *time.Time `json:"leaked_at,omitempty"` // when the key was reported as compromised
	RevokedAt   *time.Time `json:"revoked_at,omitempty"`
}

// SignerStatus is what a signer confirmed last.
type SignerStatus struct {
	Selector    string    `json:"selector"`
	KeyID       string    `json:"key_id"`
	ConfirmedAt time.Time `json:"confirmed_at"`
	// it was taken out of the domain's signers, at the latest at ConfirmedAt
	Unlisted bool `json:"no_longer_listed,omitempty"`
}

// WriteStatus writes the document of states, and of what the configuration lists no more, as JSON does. It holds one
// state at a time: those of very many domains fill the memory. counts are those of the states.
func WriteStatus(w io.Writer, counts Counts, states iter.Seq2[rotate.State, error], unlisted []rotate.State) error {
	var shell strings.Builder
	if err := JSON(&shell, StatusDocument{FormatVersion, counts, []DomainStatus{}, NewUnlisted(unlisted)}); err != nil {
		return err
	}
	const list = "\n  \"domains\": ["
	before, after, _ := strings.Cut(shell.String(), list)
	if _, err := io.WriteString(w, before+list); err != nil {
		return err
	}
	separator, end := "\n    ", ""
	for st, err := range states {
		if err != nil {
			return err
		}
		var one bytes.Buffer
		e := json.NewEncoder(JSONWriter{&one})
		e.SetIndent("    ", "  ")
		e.SetEscapeHTML(false)
		if err := e.Encode(newDomainStatus(st)); err != nil {
			return err
		}
		if _, err := w.Write(slices.Concat([]byte(separator), bytes.TrimRight(one.Bytes(), "\n"))); err != nil {
			return err
		}
		separator, end = ",\n    ", "\n  "
	}
	_, err := io.WriteString(w, end+after)
	return err
}

func newDomainStatus(st rotate.State) DomainStatus {
	d := DomainStatus{Name: st.Domain, Phase: string(st.Phase), Active: text(st.Active), Draining: text(st.Draining),
		Selectors: map[string]SelectorStatus{},
		Signers:   map[string]SignerStatus{}, Next: next(st.Next), DueAt: instant(st.DueAt), Failures: st.Failures,
		LastError: text(st.LastError), Former: newFormer(st), Held: st.Held, OnHold: newHold(st.OnHold),
		Released: newHandedBack(st.Released),
		Drift:    findings(st.Drift)}
	for name, sel := range st.Selectors {
		s := SelectorStatus{LastUsedAt: instant(sel.LastUsedAt)}
		if k := sel.Key; k != nil {
			s.KeyID, s.Record, s.PublishedAt, s.VerifiedAt = k.ID, k.Record, instant(k.PublishedAt), instant(k.VerifiedAt)
			s.LeakedAt, s.RevokedAt = instant(k.Leaked), instant(k.RevokedAt)
		}
		d.Selectors[name] = s
		if name != st.Active && st.Draining == "" && st.Active != "" {
			d.Standby = text(name)
		}
	}
	for name, c := range st.Signers {
		d.Signers[name] = SignerStatus{c.Selector, c.KeyID, c.At.UTC(), c.Left}
	}
	return d
}

// HistoryDocument is `history --json`, oldest first.
type HistoryDocument struct {
	FormatVersion int            `json:"format_version"`
	Events        []rotate.Event `json:"events"`
}

// NewHistory makes the document of events.
func NewHistory(events []rotate.Event) HistoryDocument {
	return HistoryDocument{FormatVersion, inUTC(events)}
}

// FormerSelector is a selector that is none of dkimbot's and that signers have left.
type FormerSelector struct {
	Selector string     `json:"selector"`
	MayGoAt  *time.Time `json:"may_go_at"` // null while a signer may still use it
}

func newFormer(st rotate.State) []FormerSelector {
	var out []FormerSelector
	left := st.Leftovers()
	for _, s := range slices.Sorted(maps.Keys(left)) {
		out = append(out, FormerSelector{s, instant(left[s])})
	}
	return out
}

func newHold(h *rotate.OnHold) *rotate.OnHold {
	if h == nil {
		return nil
	}
	return &rotate.OnHold{At: h.At.UTC(), By: h.By, KeyID: h.KeyID}
}

// ReleaseState says that a domain was released.
type ReleaseState struct {
	At       time.Time  `json:"at"`
	Purge    bool       `json:"purge"`
	PurgedAt *time.Time `json:"purged_at"`
}

func newHandedBack(r *rotate.ReleaseState) *ReleaseState {
	if r == nil {
		return nil
	}
	return &ReleaseState{r.At.UTC(), r.Purge, instant(r.Purged)}
}
