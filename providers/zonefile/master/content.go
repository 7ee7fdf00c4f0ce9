package master

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"strings"
	"syscall"

	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// MaxFile is the size up to which a zone file is read with all that it includes.
const MaxFile = 512 << 20

var (
	ErrNotRegular = errors.New("not a regular file")
	ErrTooLarge   = errors.New("too large")
)

// Content is what a zone file, or one that it includes, holds.
type Content struct {
	Text    string
	Info    fs.FileInfo
	Writers safefile.Others // who can change it
}

// ReadFile reads the regular file at path, on behalf of those who named it. Whoever may write in the
// directory can put a pipe or a device there, or a file that grows without end: neither stops nor fills this process.
func ReadFile(path string, limit int64, named safefile.Others) (Content, error) {
	f, writers, err := safefile.OpenFor(named, path, math.MaxInt64)
	if errors.Is(err, fs.ErrNotExist) { // err may name a directory on the way
		return Content{}, &fs.PathError{Op: "open", Path: path, Err: syscall.ENOENT}
	}
	if err != nil {
		return Content{}, err
	}
	defer f.Close()
	text, info, err := ReadAll(f, limit)
	return Content{text, info, writers}, err
}

// ReadAll returns the text of an open file, up to a limit.
func ReadAll(f *os.File, limit int64) (string, fs.FileInfo, error) {
	info, err := f.Stat()
	if err != nil {
		return "", nil, err
	}
	if info.Size() > limit {
		return "", nil, fmt.Errorf("%s: %w", f.Name(), ErrTooLarge)
	}
	var b strings.Builder
	b.Grow(int(info.Size()) + 1)
	n, err := io.Copy(&b, io.LimitReader(f, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("%s: %w", f.Name(), ErrTooLarge)
	}
	return b.String(), info, err
}

// Unchanged says whether a file is as it was. A rename is noticed even if size
// and time are the same.
func Unchanged(was, now fs.FileInfo) bool {
	return os.SameFile(now, was) && now.Size() == was.Size() && now.ModTime().Equal(was.ModTime())
}
