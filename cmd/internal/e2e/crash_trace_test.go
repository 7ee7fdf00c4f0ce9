package e2e

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// durable are the system calls between which a file, a table or a database is in
// another state than before.
var durable = map[uint64]string{
	unix.SYS_FSYNC: "fsync", unix.SYS_FDATASYNC: "fdatasync", unix.SYS_FTRUNCATE: "ftruncate", unix.SYS_MKDIRAT: "mkdirat",
	unix.SYS_LINKAT: "linkat", unix.SYS_RENAMEAT: "renameat", unix.SYS_RENAMEAT2: "renameat2",
	unix.SYS_UNLINKAT: "unlinkat",
}

// trace runs the program under ptrace(2), kills it just before it makes the given
// durable system call, counted from 1, and returns those that it came to. For 0 it
// runs to its end.
func (b *bot) trace(killAt int, args ...string) (calls []string, code int) {
	b.t.Helper()
	said, err := os.CreateTemp(b.t.TempDir(), "")
	must(b.t, err)
	defer said.Close()
	cmd := b.command(b.t.Context(), args...)
	cmd.SysProcAttr.Ptrace, cmd.SysProcAttr.Setpgid = true, true
	runtime.LockOSThread() // only the thread that has started it may trace it
	defer runtime.UnlockOSThread()
	p, err := os.StartProcess(cmd.Path, cmd.Args,
		&os.ProcAttr{Env: cmd.Env, Files: []*os.File{nil, said, said}, Sys: cmd.SysProcAttr})
	must(b.t, err)
	defer p.Release()
	defer unix.Kill(p.Pid, unix.SIGKILL)
	calls, code, err = follow(p.Pid, killAt)
	b.said.Write([]byte(show(said.Name())))
	must(b.t, err)
	return calls, code
}

// follow lets a traced process run, all its threads, to its end.
func follow(pid, killAt int) (calls []string, code int, err error) {
	var ws unix.WaitStatus
	if _, err := unix.Wait4(pid, &ws, 0, nil); err != nil {
		return nil, 0, err
	}
	const options = unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(pid, options); err != nil {
		return nil, 0, err
	}
	for thread := pid; ; {
		pass := 0
		switch stop := ws.StopSignal(); {
		case stop == unix.SIGTRAP|0x80:
			if call := durable[entered(thread)]; call != "" {
				if calls = append(calls, call); len(calls) == killAt {
					unix.Kill(pid, unix.SIGKILL)
				}
			}
		case stop != unix.SIGTRAP && stop != unix.SIGSTOP: // those are tracing's own
			pass = int(stop)
		}
		if err := unix.PtraceSyscall(thread, pass); err != nil && !errors.Is(err, unix.ESRCH) { // it was killed
			return calls, 0, err
		}
		for {
			thread, err = unix.Wait4(-pid, &ws, unix.WALL, nil) // its group: its threads, and no other children of this process
			if errors.Is(err, unix.EINTR) {
				continue
			}
			if err != nil {
				return calls, 0, err
			}
			if ws.Stopped() {
				break
			}
			if thread == pid {
				return calls, ws.ExitStatus(), nil // -1 when it was killed
			}
		}
	}
}

// entered returns the number of the system call that a thread is about to make;
// an impossible one when it comes back from a call.
func entered(thread int) uint64 {
	var info [128]byte // struct ptrace_syscall_info
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(thread), uintptr(len(info)),
		uintptr(unsafe.Pointer(&info)), 0, 0)
	if errno != 0 || info[0] != unix.PTRACE_SYSCALL_INFO_ENTRY {
		return ^uint64(0)
	}
	return binary.NativeEndian.Uint64(info[24:])
}

// calls kills the program before every durable system call of an undisturbed turn,
// so also in the middle of what is one effect to the heart: in the file keystore, in
// OpenDKIM's tables, in the state database.
func (g *ground) calls(t *testing.T) {
	var calls [2][]string
	t.Run("call/undisturbed", func(t *testing.T) {
		w := g.world(t, kind{inFiles, ed25519})
		for turn := range calls {
			var code int
			calls[turn], code = w.bot.trace(0, "rotate", "--domain", w.domain, "--wait")
			if code != 0 {
				t.Fatalf("under ptrace the program ended with code %d", code)
			}
			w.rotate(turn) // is done
		}
		w.finish()
		t.Logf("%d durable system calls in the bootstrap and %d in the rotation", len(calls[0]), len(calls[1]))
	})
	var all sync.WaitGroup
	for turn, names := range calls {
		for i, name := range names {
			if !sampled(i) {
				continue
			}
			all.Go(func() {
				t.Run(fmt.Sprintf("call/%s %03d %s", turns[turn].name, i+1, name),
					func(t *testing.T) { g.interrupted(t, turn, i+1) })
			})
		}
	}
	all.Wait()
}

// interrupted lives through both turns and kills the program once before a system call.
func (g *ground) interrupted(t *testing.T, turn, call int) {
	w := g.world(t, kind{inFiles, ed25519})
	for i := range turns {
		if i == turn {
			if calls, code := w.bot.trace(call, "rotate", "--domain", w.domain, "--wait"); code != killed {
				t.Logf("the program came to its end with %d calls this time (exit code %d)", len(calls), code)
			}
		}
		w.rotate(i)
	}
	w.finish()
}
