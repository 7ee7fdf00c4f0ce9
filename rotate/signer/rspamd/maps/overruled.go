package maps

import (
	"bytes"
	"context"

	"github.com/dkimbot/dkimbot/rotate/signer/block"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Overruled returns, by domain, which line of others in the maps rspamd takes, since it stands behind ours.
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
