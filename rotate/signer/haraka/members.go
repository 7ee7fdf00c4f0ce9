package haraka

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// member is one of smtp.json's, with its value as it stands there.
type member struct {
	key  string
	raw  json.RawMessage
	line int  // of the file, where its value ends
	late bool // it stands behind ours, so that Haraka takes it
}

// overrides is smtp.json: our members, and everything else.
type overrides struct {
	foreign []member
	ours    map[string]pair // by domain
	signer  string          // whose members these are; "" where there are none
}

// pair is what a domain is signed with.
type pair struct{ selector, key string }

// mark is the value of the member that says which are ours.
type mark struct {
	Signer  string   `json:"signer"`
	Domains []string `json:"domains"`
}

const (
	markKey  = "dkimbot"
	selector = "selector"
	private  = "private"
)

func override(domain, file string) string { return "!dkim/" + domain + "/" + file }

// parse reads smtp.json; one that is empty or not there holds nothing.
func parse(data []byte) (*overrides, error) {
	o := &overrides{ours: map[string]pair{}}
	all, err := members(data)
	if err != nil {
		return nil, err
	}
	var m mark
	end := 0 // where the mark stands: ours are the last before it
	for i, each := range all {
		if each.key == markKey {
			end = i
			if err := json.Unmarshal(each.raw, &m); err != nil {
				return nil, fmt.Errorf("its member %s is not as dkimbot wrote it: %w", markKey, err)
			}
		}
	}
	o.signer = m.Signer
	values := map[string]int{} // where the last one of a key stands, before the mark if one does
	for _, some := range [][]member{all, all[:end]} {
		for i, each := range some {
			values[each.key] = i
		}
	}
	mine := map[int]bool{}
	last := func(key string) (string, bool) {
		at, there := values[key]
		if !there {
			return "", false
		}
		mine[at] = true
		return text(all[at].raw)
	}
	for _, domain := range m.Domains {
		s, ok := last(override(domain, selector))
		k, also := last(override(domain, private))
		if ok && also {
			o.ours[domain] = pair{s, k}
		}
	}
	for i, each := range all {
		if !mine[i] && each.key != markKey {
			each.late = i > end
			o.foreign = append(o.foreign, each)
		}
	}
	return o, nil
}

// members returns the members of a JSON object in their order.
func members(data []byte) (out []member, err error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	open, err := dec.Token()
	if err != nil || open != json.Delim('{') {
		return nil, errors.Join(errors.New("it is no JSON object"), err)
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, err
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, err
		}
		out = append(out, member{key: key.(string), raw: raw, line: 1 + bytes.Count(data[:dec.InputOffset()], []byte("\n"))})
	}
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	return out, nil
}

// text returns what the plugin makes of a value, an array of lines; ok is false where it can't use it.
func text(raw json.RawMessage) (joined string, ok bool) {
	var lines []string
	if json.Unmarshal(raw, &lines) != nil {
		return "", false
	}
	return strings.Join(lines, "\n"), true
}

// bytes renders the file, ours last.
func (o *overrides) bytes() ([]byte, error) {
	all := slices.Clone(o.foreign)
	add := func(key string, value any) error {
		raw, err := json.Marshal(value)
		all = append(all, member{key: key, raw: raw})
		return err
	}
	m := mark{Signer: o.signer, Domains: slices.Sorted(maps.Keys(o.ours))}
	for _, domain := range m.Domains {
		p := o.ours[domain]
		if err := errors.Join(add(override(domain, selector), []string{p.selector}),
			add(override(domain, private), strings.Split(strings.TrimRight(p.key, "\n"), "\n"))); err != nil {
			return nil, err
		}
	}
	if len(m.Domains) > 0 {
		if err := add(markKey, m); err != nil {
			return nil, err
		}
	}
	var b bytes.Buffer
	b.WriteString("{")
	for i, each := range all {
		key, err := json.Marshal(each.key)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n  " + string(key) + ": ")
		b.Write(each.raw)
	}
	b.WriteString("\n}\n")
	return b.Bytes(), nil
}

// value returns what the file says in the place of another one, whoever wrote it; there is false when it says nothing.
func (o *overrides) value(domain, file string) (value string, there, ok bool) {
	if at := o.late(domain, file); at != nil {
		value, ok = text(at.raw)
		return value, true, ok
	}
	if p, mine := o.ours[domain]; mine {
		if file == selector {
			return p.selector, true, true
		}
		return p.key, true, true
	}
	for _, each := range slices.Backward(o.foreign) {
		if each.key == override(domain, file) {
			value, ok = text(each.raw)
			return value, true, ok
		}
	}
	return "", false, true
}

// late returns the member of others that counts in the place of ours, since it stands behind it; nil for none.
func (o *overrides) late(domain, file string) *member {
	for i, each := range slices.Backward(o.foreign) {
		if _, mine := o.ours[domain]; mine && each.late && each.key == override(domain, file) {
			return &o.foreign[i]
		}
	}
	return nil
}

// set makes a key ours for its domain, and reports whether that changes anything.
func (o *overrides) set(k dkim.SigningKey) bool {
	p := pair{k.Selector, strings.TrimRight(string(k.Key.PEM()), "\n")}
	if o.ours[k.Domain] == p && o.late(k.Domain, selector) == nil && o.late(k.Domain, private) == nil {
		return false
	}
	o.ours[k.Domain] = p
	return true
}
