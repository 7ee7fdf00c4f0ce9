//go:build !linux

package child

import "syscall"

// kin is the processes that come from one run of a program: here its process group.
type kin struct {
	root int
	mark uint64
}

func (k *kin) kill() { syscall.Kill(-k.root, syscall.SIGKILL) }

func startMarked(start func() error) (mark uint64, err error) { return unmarked(start) }
