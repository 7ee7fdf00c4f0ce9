package opendkim

import (
	"context"
	"slices"

	"github.com/dkimbot/dkimbot/rotate/signer/block"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim/flatfile"
)

// Overruled returns, by domain, which line of others in the SigningTable OpenDKIM finds before ours, or which key file
// that our lines name others altered. Where the daemon has not read it yet, it does with the next reload.
func (s *Signer) Overruled(_ context.Context, domains []string) map[string]string {
	data, _ := keyfiles.ReadTable(s.signTable) // Active says what is wrong with it
	t, err := flat.Parse(data)
	if err != nil {
		return nil
	}
	counts, out := flatfile.ReadSigning(data, s.refile), map[string]string{}
	data, _ = keyfiles.ReadTable(s.keyTable)
	keys, _ := flat.Parse(data)
	for _, d := range domains {
		line := counts.Line(d)
		name, is := t.Ours[s.pattern(d)]
		if is && slices.Contains(t.Numbers, line) {
			out[d] = block.Overruled(s.signTable, line, d)
			continue
		}
		e, _ := flatfile.ParseEntry(keys.Ours[name])
		if altered := s.store.Altered(d, e.Selector, e.Path); altered != "" {
			out[d] = altered
		}
	}
	return out
}
