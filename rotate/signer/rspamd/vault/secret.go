package vault

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// secret is the secret of one domain, with all that stands in it.
type secret struct {
	domain  string
	before  signer.Secret
	fields  map[string]json.RawMessage
	entries []*entry
}

// forever is later than any time in a secret.
const forever = math.MaxFloat64

// entry is one of the selectors in a secret. rspamd takes no account of one without key or selector.
type entry struct {
	fields     map[string]json.RawMessage
	ref        dkim.Ref
	usable     bool
	ours       bool    // dkimbot wrote it, or took it over
	start, end float64 // Unix seconds; infinite where there is no bound
}

// parse reads a secret as rspamd does.
func parse(is signer.Secret, domain string) (*secret, error) {
	s := &secret{domain: domain, before: is, fields: map[string]json.RawMessage{}}
	if is.Data == nil {
		return s, nil
	}
	if err := json.Unmarshal(is.Data, &s.fields); err != nil {
		return nil, errors.New("it is no object")
	}
	var raw []map[string]json.RawMessage
	if list, ok := s.fields["selectors"]; ok {
		if err := json.Unmarshal(list, &raw); err != nil {
			return nil, errors.New("the field selectors is no list of objects")
		}
	}
	for i, fields := range raw {
		e, err := parseEntry(fields, domain)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i+1, err)
		}
		s.entries = append(s.entries, e)
	}
	return s, nil
}

func parseEntry(fields map[string]json.RawMessage, domain string) (*entry, error) {
	text := func(name string) (out string) {
		json.Unmarshal(fields[name], &out) // what is no text is none
		return out
	}
	e := &entry{fields: fields, start: math.Inf(-1), end: math.Inf(1)}
	e.ref = dkim.Ref{Name: dkim.Name{Domain: domain, Selector: strings.ToLower(text("selector"))},
		KeyID: keyfiles.KeyIDIn([]byte(text("key")))}
	if of := text("domain"); of != "" {
		e.ref.Domain = strings.ToLower(of)
	}
	e.usable = fields["key"] != nil && fields["selector"] != nil
	e.ours = e.ref.KeyID != "" && text("key_id") == e.ref.KeyID
	for name, into := range map[string]*float64{"valid_start": &e.start, "valid_end": &e.end} {
		if fields[name] == nil {
			continue
		}
		number := strings.Trim(string(fields[name]), `"`) // rspamd reads a text, too
		at, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return nil, errors.New(name + " is not a number")
		}
		*into = at
	}
	return e, nil
}

// valid reports whether rspamd signs with the entry at a time of its clock.
func (e *entry) valid(at float64) bool { return e.usable && e.start <= at && at < e.end }

// later reports whether there is a time, from one on, at which the entry is valid.
func (e *entry) later(from float64) bool { return e.usable && max(e.start, from) < e.end }

// bound makes the entry valid between two times only.
func (e *entry) bound(start, end float64) {
	e.start, e.end = start, end
	for name, at := range map[string]float64{"valid_start": start, "valid_end": end} {
		if math.IsInf(at, 0) {
			delete(e.fields, name)
		} else {
			e.fields[name] = json.RawMessage(strconv.FormatFloat(at, 'f', -1, 64))
		}
	}
}

// own notes that the entry is dkimbot's.
func (e *entry) own() {
	e.ours = true
	e.fields["key_id"] = quoted(e.ref.KeyID)
}

// quoted returns a text as JSON.
func quoted(text string) json.RawMessage {
	out, _ := json.Marshal(text) // a text can be marshalled
	return out
}

// signing returns the entries that rspamd signs with at a time.
func (s *secret) signing(at float64) (out []*entry) {
	for _, e := range s.entries {
		if e.valid(at) {
			out = append(out, e)
		}
	}
	return out
}

// instants are the times between two at which something may change, with both.
func (s *secret) instants(from, until float64) []float64 {
	out := []float64{from, until}
	for _, e := range s.entries {
		for _, at := range []float64{e.start, e.end} {
			if from < at && at < until {
				out = append(out, at)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// beside reports whether an entry is one of others beside dkimbot's, with a selector that none of these has: mail is
// signed with it, too, and that is no reason to doubt the signature of ours.
func (s *secret) beside(e *entry) bool {
	return !e.ours && e.ref.Domain == s.domain && !slices.ContainsFunc(s.entries, func(other *entry) bool {
		return other.ours && other.ref.Selector == e.ref.Selector
	})
}

// apart returns the entries that are not beside those of dkimbot's that sign with them; all where none of those does.
func (s *secret) apart(valid []*entry) []*entry {
	if !slices.ContainsFunc(valid, func(e *entry) bool { return e.ours }) {
		return valid
	}
	return slices.DeleteFunc(valid, s.beside)
}

// alone returns the one entry that signs at the last of two times, if at each time between them exactly one does, apart
// from those of others beside it.
func (s *secret) alone(from, until float64) (last *entry, ok bool) {
	for _, at := range s.instants(from, until) {
		now := s.apart(s.signing(at))
		if len(now) != 1 || now[0].ref.Domain != s.domain {
			return nil, false
		}
		last = now[0]
	}
	return last, true
}

// find returns the entry with a key.
func (s *secret) find(ref dkim.Ref) *entry {
	for _, e := range s.entries {
		if e.usable && e.ref == ref {
			return e
		}
	}
	return nil
}

// data is what is to be written.
func (s *secret) data() (map[string]json.RawMessage, error) {
	list := make([]map[string]json.RawMessage, len(s.entries))
	for i, e := range s.entries {
		list[i] = e.fields
	}
	text, err := json.Marshal(list)
	s.fields["selectors"] = text
	return s.fields, err
}
