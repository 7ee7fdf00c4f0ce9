//go:build !linux

package child

import "syscall"

// kin is the processes that come from one run of a program: here its process group.
type kin struct {
	root int
	mark string
}

func (k *kin) kill() { syscall.Kill(-k.root, syscall.SIGKILL) }
