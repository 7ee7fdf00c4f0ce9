package stdio

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"syscall"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Memo is what a host remembers between requests. It can be lost.
type Memo struct {
	Instance string `json:"instance"` // a name of the memory's own
	Ticket   string `json:"ticket"`   // of the last answer
}

// Memory keeps it.
type Memory interface {
	// Hold waits until no other request is served, and returns what is remembered. done lets the next one in.
	Hold(ctx context.Context) (m Memo, done func(), err error)
	// Save remembers; it is called while the memory is held.
	Save(Memo) error
}

// Directory is a memory in a directory.
type Directory struct {
	Path string
	dir  *safefile.Dir
}

const (
	memoName = "ssh.json"
	lockName = "ssh.lock"
	mostMemo = 4 << 10
)

// Hold implements Memory. The directory is made when it is missing.
func (d *Directory) Hold(ctx context.Context) (Memo, func(), error) {
	dir, err := safefile.MakeDir(d.Path, safefile.Ours(0o755), safefile.Ours(0o700))
	if err != nil {
		return Memo{}, nil, memoryFault("open state_dir "+d.Path, err)
	}
	if err := dir.Check(); err != nil {
		dir.Close()
		return Memo{}, nil, memoryFault("open state_dir "+d.Path, err)
	}
	unlock, err := dir.Lock(ctx, lockName)
	if err != nil {
		dir.Close()
		return Memo{}, nil, fault.Temporary("wait in state_dir "+d.Path+" for the request before", err,
			"see what holds up the signer of this host; it is asked again by itself")
	}
	done := func() { unlock(); dir.Close() }
	memo, err := load(dir)
	if err != nil {
		done()
		return Memo{}, nil, err
	}
	d.dir = dir
	return memo, done, nil
}

// load reads the memo; a new one where there is none, or one that is damaged.
func load(dir *safefile.Dir) (Memo, error) {
	memo := Memo{}
	var text []byte
	err := dir.CheckEntry(memoName) // in a directory that is sticky, another user may have put it there
	if err == nil {
		text, err = dir.Read(memoName, mostMemo)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return memo, memoryFault("read "+memoName+" in state_dir", err)
	case json.Unmarshal(text, &memo) != nil || memo.Instance == "":
		memo = Memo{}
	}
	if memo.Instance == "" {
		memo.Instance = rand.Text()[:12]
	}
	return memo, nil
}

// Save implements Memory. On a full file system it writes over what stands there, which is as long: a question is
// answered there, too. What a power cut makes of that is at worst a new memory, and no ticket that was given before.
func (d *Directory) Save(m Memo) error {
	text, err := json.Marshal(m)
	if err == nil {
		err = d.dir.Write(memoName, text, safefile.Ours(0o600))
	}
	if full(err) && d.dir.Overwrite(memoName, text) == nil {
		return nil
	}
	if err != nil {
		return memoryFault("write "+memoName+" in state_dir", err)
	}
	return nil
}

func memoryFault(what string, err error) error {
	if full(err) {
		return fault.Temporary(what, safefile.Cause(err), "make room on the host's file system; it is tried again by itself")
	}
	hint := safefile.Remedy(err)
	if hint == "" {
		hint = "let the user that sshd runs the agent as write there, or name another state_dir"
	}
	return fault.Lasting(what, safefile.Cause(err), hint)
}

func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
