package dkimpy

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

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
		counts := map[string]string{}
		for _, r := range records(data) {
			counts[r.key] = strings.Join(r.values, ":")
		}
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

// Unkept returns, by domain, that the SigningTable, or the line of ours there, is gone that the daemon has read. Of key
// files and the KeyTables Active says it.
func (s *Signer) Unkept(_ context.Context, domains []string) map[string]string {
	data, err := keyfiles.ReadTable(s.cfg.SigningTable)
	if err != nil {
		return nil // Active says it
	}
	read, out := records(data), map[string]string{}
	for _, d := range domains {
		named := slices.ContainsFunc(read, func(r record) bool { return matches(r.key, "postmaster@"+d) })
		if !named && s.store.Has(d) { // else it is signed by means of others
			out[d] = fmt.Sprintf("%s names no key for %s: dkimpy-milter signs with what it has read, and no more after its next "+
				"start", s.cfg.SigningTable, d)
		}
	}
	return out
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
