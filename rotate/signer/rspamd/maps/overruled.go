package maps

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/block"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Overruled returns, by domain, which line of others in the maps rspamd takes, since it stands behind ours, or which
// key file that our lines name others altered, or which line of ours is lost.
func (s *Signer) Overruled(_ context.Context, domains []string) map[string]string {
	out := map[string]string{}
	for _, path := range []string{s.cfg.SelectorMap, s.cfg.PathMap, s.cfg.ArcSelectorMap, s.cfg.ArcPathMap} {
		data, _ := keyfiles.ReadTable(path) // Active says what is wrong with it
		t, err := format.Parse(data)
		if err != nil {
			continue
		}
		counts := entries(data)
		for _, d := range domains {
			if ours, is := t.Ours[d]; is && counts[d] != ours && out[d] == "" {
				out[d] = block.Overruled(path, lastOf(d, t.Foreign, t.Numbers), d)
			}
		}
	}
	all, _ := s.modules() // Active says what is wrong
	for _, m := range all {
		for _, d := range domains {
			if m.pathLost(d) && out[d] == "" {
				out[d] = fmt.Sprintf("%s has lost dkimbot's line for %s: rspamd signs its mail with what path in its "+
					"configuration names, and not at all where there is no path", m.pathMap, d)
			}
		}
	}
	for d, altered := range s.altered(domains) {
		if out[d] == "" {
			out[d] = altered
		}
	}
	return out
}

// altered returns, by domain, which key file that our lines name holds another key than dkimbot wrote into it.
func (s *Signer) altered(domains []string) map[string]string {
	m, err := s.look()
	if err != nil || m == nil { // Screen says what is wrong with the maps
		return nil
	}
	defer m.close()
	out := map[string]string{}
	for _, d := range domains {
		n := dkim.Name{Domain: d, Selector: m.selectors[0].Ours[d]}
		file := fileName(n)
		data, err := keyfiles.ReadKey(filepath.Join(s.cfg.KeyDir, file))
		held := keyfiles.KeyIDIn(data)
		if n.Selector != "" && err == nil && len(m.notes.Files[file].KeyIDs) > 0 && !m.notes.own(file, held) {
			out[d] = s.store.Wrong(n, filepath.Join(s.cfg.KeyDir, file), held)
		}
	}
	return out
}

// lastOf returns the number of the last of some lines that names a domain; 0 for none.
func lastOf(domain string, lines []byte, numbers []int) (line int) {
	n := 0
	for text := range bytes.Lines(lines) {
		if _, is := entries(text)[domain]; is {
			line = numbers[n]
		}
		n++
	}
	return line
}
