package ssh

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/protocol"
)

// formatVersion is that of both documents.
const formatVersion = 1

// MaxDocument bounds a request, in octets. An answer may have as many.
const MaxDocument = child.MaxOutput

// batch is how many domains one request holds: with the longest keys it stays far below MaxDocument.
const batch = 2000

// Request is what a host is asked to do.
type Request struct {
	protocol.Request
	Ticket string           `json:"ticket,omitempty"` // the newest that the coordinator has seen
	Others map[string]Signs `json:"others,omitempty"` // what other domains are to stay signed with; only with activate
}

// Answer is what a host says.
type Answer struct {
	FormatVersion int                `json:"format_version"`
	Signer        string             `json:"signer"`   // the agent's name in the host's configuration
	Instance      string             `json:"instance"` // of its memory; another one after a rebuild
	Host          string             `json:"host"`
	Version       string             `json:"version"` // of the program
	At            time.Time          `json:"at"`      // by the host's clock
	Lag           time.Duration      `json:"lag_ns"`  // of the host's signer
	Forced        bool               `json:"forced"`  // sshd ran it in the place of the command that was asked for
	Ticket        string             `json:"ticket,omitempty"`
	Stale         bool               `json:"stale,omitempty"` // nothing was changed: the request's ticket is not the newest
	Refused       *Problem           `json:"refused,omitempty"`
	Active        map[string]Signs   `json:"active,omitempty"`
	Failed        map[string]Problem `json:"failed,omitempty"` // by domain
	// Overruled says which lines of others count in the place of dkimbot's, by domain and for people; only with active.
	Overruled map[string]string `json:"overruled,omitempty"`
	// Unkept says which domains would not be signed as they are after the signer's next start, for people; only with
	// active.
	Unkept map[string]string `json:"unkept,omitempty"`
}

// Signs is what a domain is signed with.
type Signs struct {
	Selector string `json:"selector"`
	KeyID    string `json:"key_id,omitempty"`
}

// Problem is what went wrong on the host.
type Problem struct {
	Error   string `json:"error"`
	Hint    string `json:"hint,omitempty"`
	Lasting bool   `json:"lasting,omitempty"` // a retry does not help
}

// ErrNewer means that the other side is of another version of dkimbot.
var ErrNewer = errors.New("its format_version is not 1")

var errCut = errors.New("it ends before it is complete")

var errNoDocument = errors.New("it is not one JSON document of this protocol")

// ReadRequest reads a request as it comes in. Its errors quote nothing of it: it may hold private keys (I9).
func ReadRequest(in io.Reader) (Request, error) {
	text, err := io.ReadAll(io.LimitReader(in, MaxDocument+1))
	switch {
	case err != nil:
		return Request{}, errors.New("it ended before it was complete")
	case len(text) > MaxDocument:
		return Request{}, fmt.Errorf("it is longer than %d octets", MaxDocument)
	}
	var r Request
	if err := one(text, &r, &r.FormatVersion); err != nil {
		return Request{}, err
	}
	seen := map[string]bool{}
	for _, e := range r.Domains {
		if d, err := dkim.ParseDomain(e.Domain); err != nil || d != e.Domain || seen[d] {
			return Request{}, errors.New("a domain in it is not in normal form, or stands there twice")
		}
		seen[e.Domain] = true
	}
	for domain, ref := range r.OtherKeys() {
		d, err := dkim.ParseDomain(domain)
		if err != nil || d != domain || ref.Check() != nil || !keyForm.MatchString(ref.KeyID) || seen[d] {
			return Request{}, errors.New("another domain in it is not in normal form, has no key, or is to be changed, too")
		}
	}
	return r, nil
}

// keyForm is the form of a key id.
var keyForm = regexp.MustCompile(`^[0-9a-f]{64}$`)

// instanceForm is what a host's memory calls itself, and the form of tickets.
var instanceForm = regexp.MustCompile(`^[A-Za-z0-9]{1,64}$`)

// ReadAnswer reads the answer, which is the last line of output that begins a document: a shell may print lines of its
// own before and after it.
func ReadAnswer(output []byte) (Answer, []byte, error) {
	var text []byte
	whole := true
	for line := range bytes.Lines(output) {
		ends := bytes.HasSuffix(line, []byte("\n"))
		if line = bytes.TrimSpace(line); bytes.HasPrefix(line, []byte("{")) {
			text, whole = line, ends
		}
	}
	var a Answer
	if err := one(text, &a, &a.FormatVersion); err == errNoDocument && !whole {
		return Answer{}, nil, errCut
	} else if err != nil {
		return Answer{}, nil, err
	}
	if !instanceForm.MatchString(a.Instance) || a.Ticket != "" && !instanceForm.MatchString(a.Ticket) {
		return Answer{}, nil, errors.New("instance or ticket is not one")
	}
	a.Lag = min(max(a.Lag, 0), longestLag)
	return a, text, nil
}

// longestLag bounds what a host can say.
const longestLag = 24 * time.Hour

// one decodes a text that is one document of the version that is known.
func one(text []byte, into any, version *int) error {
	if err := json.Unmarshal(text, into); err != nil {
		return errNoDocument
	}
	if *version != formatVersion {
		return ErrNewer
	}
	return nil
}
