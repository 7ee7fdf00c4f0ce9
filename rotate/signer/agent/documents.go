package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Board is where coordinator and agents leave documents for each other.
type Board interface {
	// Read returns the newest version of what stands at a path; one with version 0 when nothing ever did.
	Read(ctx context.Context, path string) (Page, error)
	// Write stores text, a JSON object, as the version that follows after. When another one is the newest, nothing is
	// written, and the fault has the code version-conflict.
	Write(ctx context.Context, path string, text []byte, after int) (version int, err error)
}

// Page is a document as it stands on a board.
type Page struct {
	Text    []byte // nil when it was deleted
	Version int
	Written time.Time // by the board's clock,
	Now     time.Time // as is this
}

// Age returns how long ago the page was written.
func (p Page) Age() time.Duration { return max(0, p.Now.Sub(p.Written)) }

// WishAt and ReportAt return the paths of an agent's documents.
func WishAt(agent string) string   { return agent + "/wish" }
func ReportAt(agent string) string { return agent + "/report" }

// formatVersion is that of both documents.
const formatVersion = 1

// mostText bounds a document: Vault takes entries of up to one MiB.
const mostText = 900 << 10

// Wish is what the coordinator wants of an agent.
type Wish struct {
	FormatVersion int               `json:"format_version"`
	Agent         string            `json:"agent"`
	Sequence      int64             `json:"sequence"`
	Keys          map[string]Wanted `json:"keys"` // by domain
	Forget        []Forgotten       `json:"forget,omitempty"`
}

// Wanted is the key that a domain is to be signed with.
type Wanted struct {
	Selector string    `json:"selector"`
	KeyID    string    `json:"key_id"`
	Sequence int64     `json:"sequence"` // of the wish in which it was asked for
	Since    time.Time `json:"since"`
}

// Ref returns the key.
func (w Wanted) Ref(domain string) dkim.Ref {
	return dkim.Ref{Name: dkim.Name{Domain: domain, Selector: w.Selector}, KeyID: w.KeyID}
}

// Forgotten is a key whose copies are to be removed.
type Forgotten struct {
	Domain   string `json:"domain"`
	Selector string `json:"selector"`
	KeyID    string `json:"key_id"`
	Sequence int64  `json:"sequence"`
}

// Ref returns the key.
func (f Forgotten) Ref() dkim.Ref {
	return dkim.Ref{Name: dkim.Name{Domain: f.Domain, Selector: f.Selector}, KeyID: f.KeyID}
}

// Report is what an agent has in effect.
type Report struct {
	FormatVersion int             `json:"format_version"`
	Agent         string          `json:"agent"`
	Instance      string          `json:"instance"` // of the agent's memory on its host; another one after a rebuild
	Host          string          `json:"host"`
	Version       string          `json:"version"`        // of the program
	At            time.Time       `json:"at"`             // by the host's clock
	Sequence      int64           `json:"sequence"`       // of the newest wish that was taken up
	Forgotten     int64           `json:"forgotten"`      // of the newest wish whose keys were forgotten,
	Kept          []string        `json:"kept,omitempty"` // but for these, by key id
	Poll          time.Duration   `json:"poll_ns"`
	Lag           time.Duration   `json:"lag_ns"`            // of the host's signer
	Trouble       string          `json:"trouble,omitempty"` // why no wish was taken up
	Keys          map[string]Seen `json:"keys"`              // by domain
	Others        []Other         `json:"others,omitempty"`  // that reported under the same name lately
}

// Seen is what the adapter on the host saw of a domain.
type Seen struct {
	Selector string   `json:"selector,omitempty"` // "": the signer does not sign for the domain
	KeyID    string   `json:"key_id,omitempty"`
	Error    string   `json:"error,omitempty"` // why it can't be told, or why the wish is not in effect
	Hint     string   `json:"hint,omitempty"`
	Lasting  bool     `json:"lasting,omitempty"` // the error stays until a person acts
	Unread   bool     `json:"unread,omitempty"`  // the error is that what signs can't be told
	Strayed  *Strayed `json:"strayed,omitempty"`
}

// Strayed says that the signer was found to sign with something else than was reported before; it was brought back.
type Strayed struct {
	Selector string    `json:"selector"`
	KeyID    string    `json:"key_id"`
	Until    time.Time `json:"until"`    // by the host's clock
	Sequence int64     `json:"sequence"` // of what was wanted then; a newer wish has seen it
}

// Other is a second agent of the same name.
type Other struct {
	Instance string    `json:"instance"`
	Host     string    `json:"host"`
	At       time.Time `json:"at"` // when it was seen, by the board's clock
}

var errOldProgram = errors.New("it was written by a newer dkimbot")

// ReadWish returns the wish on a page; an empty one when there is none yet.
func ReadWish(agent string, p Page) (Wish, error) {
	if p.Text == nil {
		return Wish{FormatVersion: formatVersion, Agent: agent}, nil
	}
	var w Wish
	err := read(p.Text, &w, &w.FormatVersion)
	if err == nil && w.Agent != agent {
		err = fmt.Errorf("it is for agent %q", w.Agent)
	}
	for domain, k := range w.Keys {
		if err == nil && (k.Ref(domain).Check() != nil || len(k.KeyID) != 64) {
			err = errors.New("it names no key for one of the domains")
		}
	}
	for _, f := range w.Forget {
		if err == nil && (f.Ref().Check() != nil || len(f.KeyID) != 64) {
			err = errors.New("it names no key to forget")
		}
	}
	return w, err
}

// ReadReport returns the report on a page; an empty one when there is none yet.
func ReadReport(agent string, p Page) (Report, error) {
	if p.Text == nil {
		return Report{FormatVersion: formatVersion, Agent: agent}, nil
	}
	var r Report
	err := read(p.Text, &r, &r.FormatVersion)
	if err == nil && r.Agent != agent {
		err = fmt.Errorf("it is by agent %q", r.Agent)
	}
	for domain, k := range r.Keys {
		name := dkim.Name{Domain: domain, Selector: k.Selector}
		if err == nil && (k.Selector != "" && name.Check() != nil || len(k.KeyID) > 64) {
			err = errors.New("it names no key for one of the domains")
		}
	}
	return r, err
}

// read reads one document. Its text is not quoted: who wrote it may have mixed up the fields (I9).
func read(text []byte, into any, version *int) error {
	if err := json.Unmarshal(text, into); err != nil {
		return errors.New("it is not a document of dkimbot's")
	}
	switch {
	case *version > formatVersion:
		return errOldProgram
	case *version != formatVersion:
		return errors.New("it is not a document of dkimbot's")
	}
	return nil
}

// Text returns a document as it is written.
func Text(document any) ([]byte, error) {
	text, err := json.Marshal(document)
	if err == nil && len(text) > mostText {
		err = fmt.Errorf("it would have %d octets, and %d are the most: there are too many domains for one agent",
			len(text), mostText)
	}
	return text, err
}
