package opendkim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim/flatfile"
)

// pending is the marker: the domains whose change is not known to be in effect,
// each with what signed before the change, nil for nothing. It is written
// before the tables and emptied after the check.
type pending map[string]*flatfile.InUse

type pendingFile struct {
	FormatVersion int     `json:"format_version"`
	Domains       pending `json:"domains"`
}

// pendingPath is where the marker is read when nothing is to be changed. It stands beside
// the real KeyTable, as it does when it is written.
func (s *Signer) pendingPath() string { return settings.RealPath(s.keyTable) + ".dkimbot-pending" }

func (s *Signer) readPending() (pending, error) {
	data, err := keyfiles.ReadTable(s.pendingPath())
	if err != nil {
		return nil, err
	}
	return parsePending(s.pendingPath(), data)
}

func parsePending(path string, data []byte) (pending, error) {
	if len(data) == 0 {
		return pending{}, nil
	}
	var f pendingFile
	if err := json.Unmarshal(data, &f); err != nil || f.FormatVersion != 1 {
		return nil, fmt.Errorf("%s can't be read as the marker of an unfinished change", path)
	}
	if f.Domains == nil {
		f.Domains = pending{}
	}
	return f.Domains, nil
}

func (b *batch) writePending(p pending) error {
	if len(p) > 0 {
		data, err := json.Marshal(pendingFile{FormatVersion: 1, Domains: p})
		if err != nil {
			return err
		}
		return b.store.Replace(b.mark, append(data, '\n'))
	}
	if err := b.step("remove the marker"); err != nil {
		return err
	}
	if err := b.mark.Remove(b.mark.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return b.mark.Sync()
}
