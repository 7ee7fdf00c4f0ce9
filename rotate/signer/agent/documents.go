package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
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

// mostSequence is far more than wishes there can be. Up to it, whatever reads JSON has the number exactly.
const mostSequence = 1 << 53

// IsSequence reports whether a number can be that of a wish.
func IsSequence(n int64) bool { return n >= 0 && n < mostSequence }

// mostText bounds a document: Vault takes entries of up to one MiB.
const mostText = 900 << 10

// Wish is what the coordinator wants of an agent.
type Wish struct {
	FormatVersion int               `json:"format_version"`
	Agent         string            `json:"agent"`
	Sequence      int64             `json:"sequence"`
	Keys          map[string]Wanted `json:"keys"` // by domain
	Forget        []Forgotten       `json:"forget,omitempty"`
	// Gone are hosts that an operator says are gone, by instance, each with the number of the first wish that says so.
	Gone map[string]int64 `json:"gone,omitempty"`
}

// Wanted is the key that a domain is to be signed with.
type Wanted struct {
	Selector string    `json:"selector"`
	KeyID    string    `json:"key_id"`
	Sequence int64     `json:"sequence"` // of the wish in which it was asked for
	Since    time.Time `json:"since"`

	Named int64  `json:"named,omitempty"` // of the wish since which it is this key; 0: as Sequence
	Was   string `json:"was,omitempty"`   // the selector before; "" where there was none
}

// first returns the number of the wish since which the key is wanted.
func (w Wanted) first() int64 { return cmp.Or(w.Named, w.Sequence) }

// was returns what was wanted before, as by a signer that does not name its key; none where that is not another one.
func (w Wanted) was(domain string) dkim.Ref {
	if w.Was == w.Selector {
		return dkim.Ref{Name: dkim.Name{Domain: domain}}
	}
	return dkim.Ref{Name: dkim.Name{Domain: domain, Selector: w.Was}}
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
	Lost          []Other         `json:"lost,omitempty"`    // that did so once, and are not heard of any more
	Mark          string          `json:"mark,omitempty"`    // of this report; the agent's memory knows it
	Note          string          `json:"note,omitempty"`    // for people: why what is wanted was left alone
}

// Other returns what the agent's next report says of it where another host writes that.
func (r Report) Other(at time.Time, wish Wish) Other {
	o := Other{Instance: r.Instance, Host: r.Host, At: at, Sequence: r.Sequence, Mark: r.Mark}
	for domain, w := range wish.Keys {
		s, known := r.Keys[domain]
		ref := dkim.Ref{Name: dkim.Name{Domain: domain, Selector: s.Selector}, KeyID: s.KeyID}
		if w.Sequence <= r.Sequence && (!known || s.Unread || ref != w.Ref(domain)) {
			o.Drifted = append(o.Drifted, domain)
		}
	}
	slices.Sort(o.Drifted)
	if len(o.Drifted) > mostAstray {
		o.Sequence, o.Drifted = 0, nil // it may use any key
	}
	return o
}

// mostAstray bounds what is said of a host by domain.
const mostAstray = 1000

// Seen is what the adapter on the host saw of a domain.
type Seen struct {
	Selector string     `json:"selector,omitempty"` // "": the signer does not sign for the domain
	KeyID    string     `json:"key_id,omitempty"`
	Error    string     `json:"error,omitempty"` // why it can't be found out, or why the wish is not in effect
	Hint     string     `json:"hint,omitempty"`
	Lasting  bool       `json:"lasting,omitempty"` // the error stays until a person acts
	Unread   bool       `json:"unread,omitempty"`  // the error is that what signs can't be found out
	Drifted  *DriftedTo `json:"strayed,omitempty"`

	Overruled string `json:"overruled,omitempty"` // the line of others that counts in the place of dkimbot's, for people
	Unkept    string `json:"unkept,omitempty"`    // what keeps it from being signed so after the next start, for people
}

// DriftedTo says that the signer was found to sign with something else than was reported before; it was brought back.
type DriftedTo struct {
	Selector string    `json:"selector"`
	KeyID    string    `json:"key_id"`
	Until    time.Time `json:"until"`        // by the host's clock
	Sequence int64     `json:"sequence"`     // of what was wanted then; a newer wish has seen it
	By       string    `json:"by,omitempty"` // the host that found it; "" in reports of an older dkimbot
}

// Other is a second agent of the same name.
type Other struct {
	Instance string    `json:"instance"`
	Host     string    `json:"host"`
	At       time.Time `json:"at"` // when it was seen, by the board's clock

	Sequence int64    `json:"sequence,omitempty"` // of the newest wish that it had taken up
	Mark     string   `json:"mark,omitempty"`     // of its last report
	Drifted  []string `json:"astray,omitempty"`   // domains that did not sign with what that wish names
}

// Settled reports whether a host that is not heard of any more can't sign a domain with another key than the one that
// is wanted: it had taken that up, or it is gone, and the coordinator has asked for the key since it reported so.
func (w Wish) Settled(o Other, domain string) bool {
	k := w.Keys[domain]
	if gone, known := w.Gone[o.Instance]; known && k.Sequence >= gone {
		return true
	}
	return o.Sequence >= k.first() && !slices.Contains(o.Drifted, domain)
}

// Over reports whether nothing is left to say of a host: it is gone, and all domains are settled.
func (w Wish) Over(o Other) bool {
	_, gone := w.Gone[o.Instance]
	for domain := range w.Keys {
		gone = gone && w.Settled(o, domain)
	}
	return gone
}

var (
	errOldProgram = errors.New("it was written by a newer dkimbot")
	errGarbled    = errors.New("it is not a document of dkimbot's")
)

// garbled is an error of what can't have been written by dkimbot as it stands.
type garbled string

func (g garbled) Error() string { return string(g) }

// Is makes it one of errGarbled.
func (garbled) Is(target error) bool { return target == errGarbled }

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
	if err == nil && !IsSequence(w.Sequence) {
		err = garbled("its number can't be that of a wish")
	}
	for domain, k := range w.Keys {
		if err == nil && (k.Ref(domain).Check() != nil || len(k.KeyID) != 64) {
			err = garbled("it names no key for one of the domains")
		}
	}
	for _, f := range w.Forget {
		if err == nil && (f.Ref().Check() != nil || len(f.KeyID) != 64) {
			err = garbled("it names no key to forget")
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
	if err == nil && !IsSequence(r.Sequence) {
		err = errors.New("its number can't be that of a wish")
	}
	for domain, k := range r.Keys {
		name := dkim.Name{Domain: domain, Selector: k.Selector}
		if err == nil && (k.Selector != "" && name.Check() != nil || len(k.KeyID) > 64) {
			err = errors.New("it names no key for one of the domains")
		}
		k.Overruled, k.Unkept = line(k.Overruled), line(k.Unkept)
		r.Keys[domain] = k
	}
	r.Host, r.Version = line(r.Host), line(r.Version)
	hosts := []string{r.Instance}
	for _, others := range [][]Other{r.Others, r.Lost} {
		for i := range others {
			others[i].Host, hosts = line(others[i].Host), append(hosts, others[i].Instance)
		}
	}
	for _, instance := range hosts { // else no command could call it gone
		if err == nil && instance != "" && !instanceForm.MatchString(instance) {
			err = errors.New("a host in it has no name")
		}
	}
	return r, err
}

// line makes one line of what a host says, so that it can't pass for a line of dkimbot's own.
func line(text string) string { return strings.Join(strings.Fields(text), " ") }

// read reads one document. Its text is not quoted: who wrote it may have mixed up the fields (I9).
func read(text []byte, into any, version *int) error {
	if err := json.Unmarshal(text, into); err != nil {
		return errGarbled
	}
	switch {
	case *version > formatVersion:
		return errOldProgram
	case *version != formatVersion:
		return errGarbled
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
