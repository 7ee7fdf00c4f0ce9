package dkimpy

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/block"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Overruled returns, by domain, which line of others in the tables dkimpy-milter takes in the place of ours, since it
// stands behind it, or which key file that our lines name others altered. What it has not read yet, it does with the
// next restart.
func (s *Signer) Overruled(ctx context.Context, domains []string) map[string]string {
	out, used := s.lost(ctx, domains), map[string]string{}
	for i, path := range append([]string{s.cfg.SigningTable}, s.keyTables()...) {
		data, _ := keyfiles.ReadTable(path) // Active says what is wrong with it
		t, err := format.Parse(data)
		if err != nil {
			continue
		}
		counts := inForce(data)
		for _, d := range domains {
			key := pattern(d)
			if i > 0 {
				key = used[d]
			}
			ours, is := t.Ours[key]
			if is && counts[key] != ours && out[d] == "" {
				out[d] = block.Overruled(path, lastOf(key, t.Foreign, t.Numbers), d)
			}
			if e, ok := entryOf(record{key, strings.Split(ours, ":")}); i > 0 && ok && out[d] == "" {
				if altered := s.store.Altered(d, e.selector, e.path); altered != "" {
					out[d] = altered
				}
			}
			if i == 0 {
				used[d] = ours
			}
		}
	}
	return out
}

// Unkept returns, by domain, that the SigningTable, or the line of ours there, is gone that the daemon has read, or
// leads to another key than what it has read. Of key files of ours Overruled says it.
func (s *Signer) Unkept(_ context.Context, signs map[string]dkim.Ref) map[string]string {
	data, err := keyfiles.ReadTable(s.cfg.SigningTable)
	if err != nil {
		return nil // Active says it
	}
	read, out := records(data), map[string]string{}
	for d, ref := range signs {
		at := slices.IndexFunc(read, func(r record) bool { return matches(r.key, "postmaster@"+d) })
		switch {
		case !s.store.Has(d): // it is signed by means of others
		case at < 0:
			out[d] = fmt.Sprintf("%s names no key for %s: dkimpy-milter signs with what it has read, and no more after its next "+
				"start", s.cfg.SigningTable, d)
		case !s.leadsTo(read[at].values[len(read[at].values)-1], ref):
			out[d] = fmt.Sprintf("the line for %s in %s does not lead to the key that dkimpy-milter signs %s with, which it has "+
				"read before: it signs with another one, or not, after its next start", read[at].key, s.cfg.SigningTable, d)
		}
	}
	return out
}

// leadsTo reports whether the KeyTables have an entry of a name for a key. A key that is in no file is said elsewhere.
func (s *Signer) leadsTo(entry string, ref dkim.Ref) bool {
	for _, path := range s.keyTables() {
		data, err := keyfiles.ReadTable(path)
		if err != nil {
			return true // Active says it
		}
		for _, r := range records(data) {
			e, ok := entryOf(r)
			if ok && r.key == entry && e.path != noKey && strings.EqualFold(e.selector, ref.Selector) &&
				(signer.Unidentified(ref.KeyID) || holds(e.path, ref.KeyID) || s.namedFor(e, ref)) {
				return true
			}
		}
	}
	return false
}

// lastOf returns the number of the last of some lines that has a key; 0 for none.
func lastOf(key string, lines []byte, numbers []int) (line int) {
	n := 0
	for text := range bytes.Lines(lines) {
		if r := records(text); len(r) > 0 && r[0].key == key {
			line = numbers[n]
		}
		n++
	}
	return line
}
