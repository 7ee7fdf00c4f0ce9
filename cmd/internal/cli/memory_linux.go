package cli

import "golang.org/x/sys/unix"

// KeepMemory keeps the memory of this process, which holds private keys and tokens, out of core dumps
// (invariant I9), and its memory and environment from other programs of its user, such as those that it
// runs itself. It does not last: a program that is started is as it always is.
func KeepMemory() {
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) // no kernel refuses it
}
