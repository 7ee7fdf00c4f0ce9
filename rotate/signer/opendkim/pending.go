package opendkim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// pending is the marker: the domains whose change is not known to be in effect,
// each with what signed before the change, nil for nothing. It is written
// before the tables and emptied after the check.
type pending map[string]*inUse

type pendingFile struct {
	FormatVersion int     `json:"format_version"`
	Domains       pending `json:"domains"`
}

func (s *Signer) pendingPath() string { return s.keyTable + ".dkimbot-pending" }

func (s *Signer) readPending() (pending, error) {
	data, err := os.ReadFile(s.pendingPath())
	if errors.Is(err, fs.ErrNotExist) {
		return pending{}, nil
	}
	if err != nil {
		return nil, err
	}
	var f pendingFile
	if err := json.Unmarshal(data, &f); err != nil || f.FormatVersion != 1 {
		return nil, fmt.Errorf("%s can't be read as the marker of an unfinished change", s.pendingPath())
	}
	if f.Domains == nil {
		f.Domains = pending{}
	}
	return f.Domains, nil
}

func (s *Signer) writePending(p pending) error {
	if len(p) > 0 {
		data, err := json.Marshal(pendingFile{FormatVersion: 1, Domains: p})
		if err != nil {
			return err
		}
		return s.replaceFile(s.pendingPath(), append(data, '\n'))
	}
	if err := s.step("remove the marker"); err != nil {
		return err
	}
	if err := os.Remove(s.pendingPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncDir(filepath.Dir(s.pendingPath()))
}
