package opendkim

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim/flatfile"
)

// Unkept returns, by domain, which tables or lines of ours the daemon has read and would not find when it is started
// again, and which line would have it sign with another key then. Without a milter socket the files are believed, and
// Active says it; and so it does of key files.
func (s *Signer) Unkept(ctx context.Context, signs map[string]dkim.Ref) map[string]string {
	if s.socket.None() {
		return nil
	}
	gone := s.goneTable()
	view, err := s.readView()
	marker, failed := s.readPending()
	if err != nil || failed != nil {
		return nil // Active says it
	}
	data, _ := keyfiles.ReadTable(s.signTable)
	own, _ := flat.Parse(data) // a block that is damaged is refused
	first := flatfile.ReadSigning(own.Bytes(), s.refile)
	out := map[string]string{}
	for d, ref := range signs {
		use, named := view.Domain(d)
		_, underWay := marker[d]
		line := view.Signing.Line(d)
		_, written := own.Ours[s.pattern(d)]
		switch {
		case underWay, !s.store.Has(d): // without files of ours it is signed by means of others
		case named && s.keeps(ctx, use.Selector, use.Path, ref):
		case written && first.Line(d) > len(own.Ours)+1: // a line of others is found before ours, wherever that stands
		case gone != "":
			out[d] = fmt.Sprintf("%s is missing: OpenDKIM signs with what it has read, and does not start again without it; "+
				"mail of all domains would be turned away", gone)
		case named:
			out[d] = fmt.Sprintf("line %d of %s gives %s to %s: OpenDKIM signs with %s, which it has read before, and with "+
				"that line after its next start", line, s.signTable, given(use.Selector, ref), d, ref.Selector)
		default:
			out[d] = fmt.Sprintf("%s and %s name no key for %s: OpenDKIM signs with what it has read, and no more after its "+
				"next start", s.signTable, s.keyTable, d)
		}
	}
	return out
}

// keeps reports whether what the tables name is what signs now. A key that can't be read, or is in no file, is said
// elsewhere.
func (s *Signer) keeps(ctx context.Context, selector, path string, is dkim.Ref) bool {
	id, err := s.keyID(ctx, path)
	return strings.EqualFold(selector, is.Selector) && (err != nil || signer.Unidentified(is.KeyID) || id == is.KeyID)
}

// given is what a line leads to, beside what signs.
func given(selector string, is dkim.Ref) string {
	if strings.EqualFold(selector, is.Selector) {
		return "another key of selector " + selector
	}
	return "selector " + selector
}

// goneTable returns a table that does not exist, without which OpenDKIM does not start; "" for none.
func (s *Signer) goneTable() string {
	for name, path := range map[string]string{"SigningTable ": s.signTable, "KeyTable ": s.keyTable} {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return name + path
		}
	}
	return ""
}
