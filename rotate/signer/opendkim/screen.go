package opendkim

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Screen returns what Activate would refuse whichever key follows: tables that OpenDKIM can't read or load, that are
// damaged or another signer's, a key directory that OpenDKIM would reject, a reload command that is missing; and for
// just that key: one that OpenDKIM can't use, other people's lines that use the same entry or key. It takes no lock and
// makes nothing; where there are no tables yet, nothing is wrong with them.
func (s *Signer) Screen(ctx context.Context, next []dkim.SigningKey) (each map[string]error, whichever error) {
	if len(next) == 0 || ctx.Err() != nil {
		return nil, nil
	}
	if err := s.checkReload(); err != nil {
		return nil, err
	}
	b := newBatch(s, nil)
	b.takeOn(next)
	if err := b.screenTables(); err != nil {
		return nil, err
	}
	domains := make([]string, len(next))
	for i, k := range next {
		domains[i] = k.Domain
	}
	return b.Failed, signer.Partial(s.screenKeyDir(domains), len(next))
}

// screenTables refuses tables that could not be read, loaded or replaced.
func (s *Signer) screenTables() error { return newBatch(s, nil).screenTables() }

// screenTables does so, and notes what would be refused for each key alone.
func (b *batch) screenTables() error {
	b.tables = &tables{}
	defer b.close()
	err := b.find(b.Signer, keyfiles.Existing)
	switch {
	case errors.Is(err, fs.ErrNotExist): // a directory
		return b.screenMissing()
	case err != nil:
		return err
	}
	if err := b.readTables(); err != nil {
		return err
	}
	if err := b.checkTables(); err != nil {
		return err
	}
	b.screen()
	return nil
}

// takeOn takes keys by their records.
func (b *batch) takeOn(next []dkim.SigningKey) {
	for _, k := range next {
		j := &job{SigningKey: k}
		if k.Name.Check() != nil {
			continue // it is not known which one follows
		}
		if k.Ref().KeyID != "" {
			if err := b.checkKey(k); err != nil {
				b.Failed[k.Domain] = err
				continue
			}
			j.path = b.keyPath(k.Ref())
		}
		b.jobs = append(b.jobs, j)
	}
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
