package zonefile

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// A change and the reload that it asks for leave two kinds of file in the
// directory, so that neither a crash nor a failed command forgets a reload
// (invariant I7):
//
//   - begun, one a zone, stands from before the zone file is replaced until the
//     reload is noted as due. It is only touched under the zone's lock.
//   - due, with a name of its own each time, stands until a reload that started
//     after it was made has succeeded. Whoever reloads removes those it saw before.
const (
	begunPrefix = ".dkimbot-begun-"
	duePrefix   = ".dkimbot-reload-"
)

// notes keeps them in an open directory. used is false where there is no command to run.
type notes struct {
	*safefile.Dir
	used bool
}

// begin records durably that the zone's file is about to change.
func (n notes) begin(zone string) error {
	if !n.used {
		return nil
	}
	// What is there already, also a link, notes the same.
	if _, err := n.Lstat(begunPrefix + zone); errors.Is(err, fs.ErrNotExist) {
		err = n.add(begunPrefix + zone)
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	return n.Sync()
}

// due turns the zone's begun, if there is one, into a due.
func (n notes) due(zone string) error {
	if !n.used {
		return nil
	}
	begun := begunPrefix + zone
	if _, err := n.Lstat(begun); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := n.add(duePrefix + rand.Text()); err != nil {
		return err
	}
	if err := n.Sync(); err != nil {
		return err
	}
	return n.Remove(begun)
}

func (n notes) add(name string) error {
	f, _, err := n.Append(name, safefile.Ours(0o600))
	if err != nil {
		return err
	}
	return f.Close()
}

// list returns what is due.
func (n notes) list() ([]string, error) {
	entries, err := n.Entries()
	if err != nil {
		return nil, ioFault("look for reloads that are due", err)
	}
	var due []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), duePrefix) && !e.IsDir() {
			due = append(due, e.Name())
		}
	}
	return due, nil
}
