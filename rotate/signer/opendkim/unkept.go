package opendkim

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Unkept returns, by domain, which tables or lines of ours the daemon has read and would not find when it is started
// again. Without a milter socket the files are believed, and Active says it; and so it does of key files.
func (s *Signer) Unkept(_ context.Context, domains []string) map[string]string {
	if s.socket.None() {
		return nil
	}
	gone := s.goneTable()
	view, err := s.readView()
	marker, failed := s.readPending()
	if err != nil || failed != nil {
		return nil // Active says it
	}
	out := map[string]string{}
	for _, d := range domains {
		_, named := view.Domain(d)
		_, underWay := marker[d]
		switch {
		case named, underWay, !s.store.Has(d): // without files of ours it is signed by means of others
		case gone != "":
			out[d] = fmt.Sprintf("%s is missing: OpenDKIM signs with what it has read, and does not start again without it; "+
				"mail of all domains would be turned away", gone)
		default:
			out[d] = fmt.Sprintf("%s and %s name no key for %s: OpenDKIM signs with what it has read, and no more after its "+
				"next start", s.signTable, s.keyTable, d)
		}
	}
	return out
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
