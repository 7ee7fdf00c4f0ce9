package child

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// kin is the processes that come from one run of a program: its children and theirs, and
// those that left its process group and its session, which keep the mark.
type kin struct {
	root    int
	mark    uint64             // the realtime limit of all of them; 0 leaves out who is not below root any more
	any     uint64             // the bits of it in which they may differ
	only    func(pid int) bool // those of them that are meant; nil means all
	members map[int]*member
}

type member struct {
	*os.Process
	started string // tells it from another process that has got its number
}

// kill ends them all. They are stopped first, so that none starts another one meanwhile.
func (k *kin) kill() {
	k.members = map[int]*member{}
	for k.find() {
		for _, m := range k.members {
			m.Signal(syscall.SIGSTOP)
		}
	}
	for _, m := range k.members {
		m.Kill()
		m.Release()
	}
}

// left returns how many of those that were found have not ended.
func (k *kin) left() (n int) {
	for pid, m := range k.members {
		if _, started, ok := status(pid); ok && started == m.started {
			n++
		}
	}
	return n
}

// find adds the processes that are not known yet, and reports whether there are any.
func (k *kin) find() (found bool) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	parents := map[int]int{}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if parent, _, ok := status(pid); ok {
				parents[pid] = parent
			}
		}
	}
	for pid := range parents {
		if k.members[pid] == nil && pid != os.Getpid() && (k.below(pid, parents) || k.marked(pid)) &&
			(k.only == nil || k.only(pid)) {
			found = k.add(pid) || found
		}
	}
	return found
}

// below reports whether a process comes from root, or from one that is known.
func (k *kin) below(pid int, parents map[int]int) bool {
	for range len(parents) {
		if pid == k.root || k.members[pid] != nil {
			return true
		}
		parent, ok := parents[pid]
		if !ok || parent <= 1 || parent == os.Getpid() {
			return false
		}
		pid = parent
	}
	return false
}

func (k *kin) marked(pid int) bool {
	limit, ok := realtimeOf(strconv.Itoa(pid))
	return ok && k.mark != 0 && limit&^k.any == k.mark
}

// add takes hold of a process, so that its number can't become another one's.
func (k *kin) add(pid int) bool {
	_, before, ok := status(pid)
	if !ok {
		return false
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	if _, after, ok := status(pid); !ok || after != before {
		p.Release()
		return false
	}
	k.members[pid] = &member{p, before}
	return true
}

// status reads a process's parent and when it started; one that has ended is none.
func status(pid int) (parent int, started string, ok bool) {
	fields, ok := statOf(pid)
	if !ok {
		return 0, "", false
	}
	parent, err := strconv.Atoi(fields[1])
	return parent, fields[19], err == nil
}

// statOf reads the fields of proc_pid_stat(5) that follow the name, the state first; a process that
// has ended has none.
func statOf(pid int) (fields []string, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, false
	}
	fields = strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	return fields, len(fields) >= 20 && fields[0] != "Z" && fields[0] != "X"
}
