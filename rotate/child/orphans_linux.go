package child

import (
	"context"
	"os"
	"strconv"
	"time"
)

// EndOrphans ends the programs that a process, which runs no more or may act no more, had started and
// that run still: otherwise what they do would come after what another process does. What has
// a session of its own continues, be it from a program that ended long ago: it may be the daemon
// that signs mail, which such a program had started again. Reloads are waited for; so is what
// can't be ended. When reloads are waited for, waiting gets how many there are and how long that takes at
// the most. The process is named as this one's PID
// namespace and boot know it: by its number and its start, field 22 of proc_pid_stat(5).
func EndOrphans(ctx context.Context, pid int, start string, waiting func(reloads int, most time.Duration)) (o Orphans) {
	family, ok := familyOf(pid, start)
	if !ok {
		return o
	}
	commands := endRunning(family)
	o.Left = passed(ctx, orphanEnds, commands.left)
	o.Ended = len(commands.members) - o.Left
	reloads := &kin{mark: family | spares, any: runBits, members: map[int]*member{}}
	reloads.find()
	reloads.keepFirst()
	awaited := len(reloads.members)
	if awaited > 0 {
		waiting(awaited, reloadPasses)
	}
	o.Hanging = passed(ctx, reloadPasses, reloads.left)
	o.Awaited = awaited - o.Hanging
	return o
}

// EndOwn ends the programs that this process has started and that run still, but for reloads. It is for
// a process that was asked to end: their answers are not waited for any more.
func EndOwn() {
	if _, start, ok := status(os.Getpid()); ok {
		if family, ok := familyOf(os.Getpid(), start); ok {
			endRunning(family)
		}
	}
}

// endRunning ends the programs of a family that run still, with what came from the same run and stayed
// in its session. What a program that has ended left behind continues, such as a milter in the background.
func endRunning(family uint64) *kin {
	k := &kin{mark: family, any: runBits}
	runs := k.running()
	k.only = func(pid int) bool {
		run, marked := realtimeOf(strconv.Itoa(pid))
		_, session, ok := groupOf(pid)
		in, known := runs[run]
		return marked && ok && known && in == session
	}
	k.kill()
	return k
}

// keepFirst leaves out what is not the first process of a program: that one leads its process
// group, in a session that another process began. A daemon begins a session of its own.
func (k *kin) keepFirst() {
	for pid, m := range k.members {
		if group, session, ok := groupOf(pid); !ok || group != pid || session == pid || k.marked(parentOf(pid)) {
			m.Release()
			delete(k.members, pid)
		}
	}
}

// running returns the runs whose first process lives, by their marks, with their sessions.
func (k *kin) running() map[uint64]int {
	first, runs := &kin{mark: k.mark, any: k.any, members: map[int]*member{}}, map[uint64]int{}
	first.find()
	first.keepFirst()
	for pid, m := range first.members {
		run, marked := realtimeOf(strconv.Itoa(pid))
		if _, session, ok := groupOf(pid); ok && marked {
			runs[run] = session
		}
		m.Release()
	}
	return runs
}

func parentOf(pid int) int {
	parent, _, _ := status(pid)
	return parent
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
