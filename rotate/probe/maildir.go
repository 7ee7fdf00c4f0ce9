package probe

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// lookEvery is how often a mailbox is looked into.
const lookEvery = 500 * time.Millisecond

// maildir is a mailbox on this machine. Messages that lie there already are not read, and of the others only the probes
// are removed, if that is allowed. It may belong to a user who is no friend of ours: its directories are held open, so
// that nothing is read or removed elsewhere.
type maildir struct {
	dirs []*os.Root
	seen map[string]bool // by the name that does not change
}

func openMaildir(path string) (*maildir, error) {
	m := &maildir{seen: map[string]bool{}}
	for _, name := range []string{"new", "cur"} {
		dir, err := os.OpenRoot(filepath.Join(path, name))
		if err != nil {
			m.close()
			return nil, err
		}
		m.dirs = append(m.dirs, dir)
	}
	return m, m.each(func(*os.Root, string) {})
}

func (m *maildir) close() {
	for _, dir := range m.dirs {
		dir.Close()
	}
}

// each calls arrived for each message that was not there before.
func (m *maildir) each(arrived func(dir *os.Root, name string)) error {
	for _, dir := range m.dirs {
		entries, err := fs.ReadDir(dir.FS(), ".")
		if err != nil {
			return err
		}
		for _, e := range entries {
			base, _, _ := strings.Cut(e.Name(), ":")
			if m.seen[base] || strings.HasPrefix(base, ".") {
				continue
			}
			m.seen[base] = true
			arrived(dir, e.Name())
		}
	}
	return nil
}

// watch offers what arrives until ctx is done.
func (m *maildir) watch(ctx context.Context, c *catch) error {
	for {
		err := m.each(func(dir *os.Root, name string) {
			message, err := readIn(dir, name)
			if errors.Is(err, fs.ErrNotExist) { // it was moved; a probe waits for its next look
				base, _, _ := strings.Cut(name, ":")
				delete(m.seen, base)
			}
			if err == nil && c.offer(message) {
				_ = dir.Remove(name) // where that is not allowed, it stays
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

// readIn reads a message, and no pipe that nobody writes to.
func readIn(dir *os.Root, name string) ([]byte, error) {
	f, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, errors.New("it is not a regular file"))
	}
	return safefile.ReadAll(f, mostOctets)
}
