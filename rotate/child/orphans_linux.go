package child

import (
	"context"
	"strconv"
	"time"
)

// EndOrphans ends the programs that a process, which runs no more or may act no more, had started, with
// all that came from them: otherwise what they do would come after what another process does. Reloads
// are waited for, since what a reload has started again can't be told from its own
// processes; so is what can't be ended. The process is named as this one's PID
// namespace and boot know it: by its number and its start, field 22 of proc_pid_stat(5).
func EndOrphans(ctx context.Context, pid int, start string) (o Orphans) {
	family, ok := familyOf(pid, start)
	if !ok {
		return o
	}
	commands := &kin{mark: family, any: runBits}
	commands.kill()
	o.Left = passed(ctx, orphanEnds, commands.left)
	o.Ended = len(commands.members) - o.Left
	reloads := &kin{mark: family | spares, any: runBits, members: map[int]*member{}}
	reloads.find()
	reloads.keepOwn()
	awaited := len(reloads.members)
	left := passed(ctx, reloadPasses, reloads.left)
	o.Awaited, o.Left = awaited-left, o.Left+left
	return o
}

// keepOwn leaves out what is not a reload's first process: that one leads its process group in a
// session that another process began. A daemon begins a session of its own.
func (k *kin) keepOwn() {
	for pid, m := range k.members {
		if group, session, ok := groupOf(pid); !ok || group != pid || session == pid {
			m.Release()
			delete(k.members, pid)
		}
	}
}

// passed waits until none is left, at most for d, and returns how many are.
func passed(ctx context.Context, d time.Duration, left func() int) (n int) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	for {
		if n = left(); n == 0 {
			return 0
		}
		select {
		case <-ctx.Done():
			return n
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// groupOf reads a process's group and session.
func groupOf(pid int) (group, session int, ok bool) {
	fields, ok := statOf(pid)
	if !ok {
		return 0, 0, false
	}
	group, err := strconv.Atoi(fields[2])
	if err != nil {
		return 0, 0, false
	}
	session, err = strconv.Atoi(fields[3])
	return group, session, err == nil
}
