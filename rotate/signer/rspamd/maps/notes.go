package maps

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// notes are what dkimbot knows of its key files: they are written before a file is.
type notes struct {
	place   keyfiles.Place
	changed bool
	Version int             `json:"format_version"`
	Files   map[string]note `json:"files"` // by name in the key directory
}

// note is about one file.
type note struct {
	KeyIDs   []string  `json:"key_ids"`          // that dkimbot put there, or is about to
	Domain   string    `json:"domain,omitempty"` // that it did so for
	Modified time.Time `json:"modified"`         // the latest time of change that the file has had
	// when the maps were about to lead away from the file; rspamd may read it for a while yet
	Left time.Time `json:"left,omitzero"`
}

func (s *Signer) readNotes(beside keyfiles.Place) (*notes, error) {
	n := &notes{place: beside.Beside(".dkimbot-keys"), Version: 1, Files: map[string]note{}}
	data, err := n.place.Read()
	if err == nil && len(data) > 0 {
		n.Version, n.Files = 0, nil
		if err = json.Unmarshal(data, n); err == nil && (n.Version != 1 || n.Files == nil) {
			err = errors.New("it is of another form")
		}
		if err != nil {
			return nil, fault.Lasting("read the notes of signer "+s.cfg.Name, fmt.Errorf("%s: %w", n.place.Full(), err),
				"move it away; key files that dkimbot wrote then count as those of others, and are to be moved away, too, "+
					"once nothing uses them")
		}
	}
	if err != nil {
		return nil, s.store.Fault("read the notes of signer "+s.cfg.Name, err)
	}
	return n, nil
}

// takeOver notes that what a file holds is dkimbot's from now on: its domain has been signed with it, and is about to
// leave it.
func (n *notes) takeOver(name dkim.Name, held keyfiles.Held) {
	file := fileName(name)
	have := n.Files[file]
	if held.KeyID != "" && !slices.Contains(have.KeyIDs, held.KeyID) {
		have.Domain = name.Domain
		have.KeyIDs, n.changed = append(have.KeyIDs, held.KeyID), true
	}
	n.Files[file] = have
}

// leave notes that the maps are about to lead away from a file.
func (n *notes) leave(file string, now time.Time) {
	have := n.Files[file]
	have.Left, n.changed = now.UTC(), true
	n.Files[file] = have
}

// read reports whether a process of rspamd may still read a file that the maps led away from, for as long as lag.
func (n *notes) read(file string, now time.Time, lag time.Duration) bool {
	left := n.Files[file].Left
	return !left.IsZero() && now.Sub(left).Abs() < lag
}

// intend notes that a file will get a key, and returns the time of change that it needs: one that rspamd takes for
// later than all that it may have seen.
func (n *notes) intend(key dkim.Ref, held keyfiles.Held, now time.Time) time.Time {
	file, keyID := fileName(key.Name), key.KeyID
	have := n.Files[file]
	keep := []string{keyID}
	if held.KeyID != keyID && slices.Contains(have.KeyIDs, held.KeyID) {
		keep = append(keep, held.KeyID)
	}
	if held.KeyID == keyID {
		if !slices.Equal(have.KeyIDs, keep) {
			have.KeyIDs, have.Domain, n.changed = keep, key.Domain, true
			n.Files[file] = have
		}
		return held.Modified
	}
	for _, before := range []time.Time{have.Modified, held.Modified} {
		if least := before.Truncate(time.Second).Add(time.Second); now.Before(least) {
			now = least
		}
	}
	n.Files[file] = note{KeyIDs: keep, Domain: key.Domain, Modified: now.UTC().Truncate(time.Second)}
	n.changed = true
	return n.Files[file].Modified
}

// own reports whether a key that stands in a file is dkimbot's.
func (n *notes) own(file, keyID string) bool {
	return keyID != "" && slices.Contains(n.Files[file].KeyIDs, keyID)
}

// forget notes that a file is gone. Its time of change stays: rspamd may have the key in memory.
func (n *notes) forget(file string) {
	if have, ok := n.Files[file]; ok && len(have.KeyIDs) > 0 {
		n.Files[file], n.changed = note{Modified: have.Modified}, true
	}
}

// write puts the notes on the disk where they have changed.
func (s *Signer) writeNotes(n *notes) error {
	if !n.changed {
		return nil
	}
	data, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if err := s.store.Replace(n.place, append(data, '\n')); err != nil {
		return s.store.Fault("write the notes of signer "+s.cfg.Name, err)
	}
	n.changed = false
	return nil
}
