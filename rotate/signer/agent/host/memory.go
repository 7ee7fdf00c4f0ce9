package host

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"reflect"
	"syscall"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
)

// Memo is what an agent remembers on its host.
type Memo struct {
	Instance string `json:"instance"` // a name of the memory's own
	Sequence int64  `json:"sequence"` // of the newest wish that was taken up
	// by domain: of the wish that was in effect last
	Applied map[string]int64 `json:"applied,omitempty"`

	Host    string                     `json:"host,omitempty"`    // on which it was written last
	Marks   []string                   `json:"marks,omitempty"`   // of the last report, and of one that may be written
	Version int                        `json:"version,omitempty"` // of the page of the newest report
	Others  []agent.Other              `json:"others,omitempty"`  // that reported under the same name
	Drifted map[string]agent.DriftedTo `json:"strayed,omitempty"` // by domain: not heard by the coordinator yet
}

// same reports whether two memos say the same.
func (m Memo) same(o Memo) bool { return reflect.DeepEqual(m, o) }

// NewMemo returns that of a host that knows nothing.
func NewMemo() Memo { return Memo{Instance: newName()} }

func newName() string { return rand.Text()[:12] }

// Memory keeps it.
type Memory interface {
	Load() (Memo, error)
	Save(Memo) error
}

// Directory is a memory in a directory, held by one process at a time.
type Directory struct {
	dir    *safefile.Dir
	unlock func()
	memo   *Memo // as it stands on disk; nil as long as it was not read
}

const (
	memoName = "agent.json"
	oddName  = "agent.json.damaged" // what stood there and could not be used
	lockName = "agent.lock"
	mostMemo = 4 << 20
)

// OpenDirectory opens a memory, makes its directory when it is missing, and waits for another agent there
// until ctx ends.
func OpenDirectory(ctx context.Context, path string) (*Directory, error) {
	dir, err := safefile.MakeDir(path, safefile.Ours(0o755), safefile.Ours(0o700))
	if err != nil {
		return nil, memoryFault("open the agent's directory "+path, err)
	}
	if err := dir.Check(); err != nil {
		dir.Close()
		return nil, memoryFault("open the agent's directory "+path, err)
	}
	unlock, err := dir.Lock(ctx, lockName)
	if err != nil {
		dir.Close()
		return nil, fault.Temporary("lock the agent's directory "+path, err, "see whether another 'dkimbot agent' runs there")
	}
	return &Directory{dir: dir, unlock: unlock}, nil
}

// Close gives the memory free.
func (d *Directory) Close() {
	d.unlock()
	d.dir.Close()
}

// Load returns what is remembered; a new memo where there is none, or one that is damaged, which is kept beside it.
func (d *Directory) Load() (Memo, error) {
	if d.memo != nil {
		return *d.memo, nil
	}
	memo, text, err := load(d.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		memo = NewMemo()
		return memo, d.Save(memo)
	case errors.Is(err, errDamaged):
		if err := d.dir.Write(oddName, text, safefile.Ours(0o600)); err != nil {
			return memo, memoryFault("keep the damaged "+memoName+" of the agent", err)
		}
		memo = NewMemo()
		return memo, d.Save(memo)
	case err != nil:
		return memo, err
	}
	d.memo = &memo
	return memo, nil
}

var errDamaged = errors.New("it is cut off, or no memory of an agent")

// load reads the memo, and returns also its text. One that another user put there, as in a directory that is sticky, is
// not believed: it could keep the agent from all that the coordinator wants.
func load(dir *safefile.Dir) (memo Memo, text []byte, err error) {
	if err = dir.CheckEntry(memoName); err == nil {
		text, err = dir.Read(memoName, mostMemo)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return memo, nil, memoryFault("read "+memoName+" of the agent", err)
	} else if err != nil {
		return memo, nil, err
	}
	if err := json.Unmarshal(text, &memo); err != nil || memo.Instance == "" || !agent.IsSequence(memo.Sequence) {
		return Memo{}, text, errDamaged
	}
	return memo, text, nil
}

// CheckMemory returns why the memory in a directory can't be used, as the agent would find it. It changes nothing.
func CheckMemory(path string) error {
	dir, err := safefile.OpenDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return memoryFault("open the agent's directory "+path, err)
	}
	defer dir.Close()
	if err := dir.Check(); err != nil {
		return memoryFault("open the agent's directory "+path, err)
	}
	_, _, err = load(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, errDamaged):
		return fault.Lasting("read "+memoName+" in "+path, err, "the agent begins with a new memory and keeps this "+
			"one as "+oddName+"; the coordinator takes this host for another one, and 'dkimbot check' there says how to continue")
	}
	return err
}

// Save remembers; what is remembered already is not written again.
func (d *Directory) Save(memo Memo) error {
	if d.memo != nil && d.memo.same(memo) {
		return nil
	}
	text, err := json.Marshal(memo)
	if err == nil {
		err = d.dir.Write(memoName, text, safefile.Ours(0o600))
	}
	if err != nil {
		return memoryFault("write "+memoName+" of the agent", err)
	}
	d.memo = &memo
	return nil
}

func memoryFault(what string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Temporary(what, safefile.Cause(err), "make room on the host's file system; it is tried again by itself")
	}
	hint := safefile.Remedy(err)
	if hint == "" {
		hint = "let the user that runs the agent write there, or name another state_dir"
	}
	return fault.Lasting(what, safefile.Cause(err), hint)
}
