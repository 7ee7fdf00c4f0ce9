package opendkim

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Screen returns what Activate would refuse: tables that OpenDKIM can't read or load, that are damaged or another
// signer's, a key directory that OpenDKIM would reject, a reload command that is missing. It takes no lock and
// makes nothing; where there are no tables yet, nothing is wrong with them.
func (s *Signer) Screen(ctx context.Context, domains []string) error {
	if len(domains) == 0 || ctx.Err() != nil {
		return nil
	}
	if err := s.checkReload(); err != nil {
		return err
	}
	if err := s.screenTables(); err != nil {
		return err
	}
	return signer.Partial(s.screenKeyDir(domains), len(domains))
}

// screenTables refuses tables that could not be read, loaded or replaced.
func (s *Signer) screenTables() error {
	b := newBatch(s, nil)
	b.tables = &tables{}
	defer b.close()
	err := b.find(s, func(path string) (*safefile.Dir, string, error) { return safefile.Parent(path) })
	switch {
	case errors.Is(err, fs.ErrNotExist): // a directory
		return s.screenMissing()
	case err != nil:
		return err
	}
	if err := b.readTables(); err != nil {
		return err
	}
	return b.checkTables()
}

// screenMissing refuses tables of which only one is there.
func (s *Signer) screenMissing() error {
	_, noKeys := os.Stat(s.keyTable)
	_, noSigning := os.Stat(s.signTable)
	switch {
	case noKeys == nil && noSigning != nil:
		return s.missingTable(s.signTable, s.keyTable)
	case noKeys != nil && noSigning == nil:
		return s.missingTable(s.keyTable, s.signTable)
	}
	return nil
}
