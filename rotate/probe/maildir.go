package probe

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// lookEvery is how often a mailbox is looked into.
const lookEvery = 500 * time.Millisecond

// maildir is a mailbox on this machine. Messages that lie there already are not read, and of the others only the probes
// are removed, if that is allowed.
type maildir struct {
	path string
	seen map[string]bool // by the name that does not change
}

func openMaildir(path string) (*maildir, error) {
	m := &maildir{path: path, seen: map[string]bool{}}
	return m, m.each(func(string) {})
}

// each calls new for each message that was not there before.
func (m *maildir) each(arrived func(path string)) error {
	for _, dir := range []string{"new", "cur"} {
		entries, err := os.ReadDir(filepath.Join(m.path, dir))
		if err != nil {
			return err
		}
		for _, e := range entries {
			base, _, _ := strings.Cut(e.Name(), ":")
			if m.seen[base] || strings.HasPrefix(base, ".") {
				continue
			}
			m.seen[base] = true
			arrived(filepath.Join(m.path, dir, e.Name()))
		}
	}
	return nil
}

// watch offers what arrives until ctx is done.
func (m *maildir) watch(ctx context.Context, c *catch) error {
	for {
		err := m.each(func(path string) {
			message, err := safefile.Read(path, mostOctets)
			if errors.Is(err, fs.ErrNotExist) { // it was moved; a probe waits for its next look
				base, _, _ := strings.Cut(filepath.Base(path), ":")
				delete(m.seen, base)
			}
			if err == nil && c.offer(message) {
				_ = os.Remove(path) // where that is not allowed, it stays
			}
		})
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lookEvery):
		}
	}
}
