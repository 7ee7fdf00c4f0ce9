//go:build !linux

package child

import (
	"context"
	"syscall"
	"time"
)

// kin is the processes that come from one run of a program: here its process group.
type kin struct {
	root int
	mark uint64
}

func (k *kin) kill() { syscall.Kill(-k.root, syscall.SIGKILL) }

func startMarked(start func() error, _ bool) (mark uint64, err error) { return 0, start() }

// EndOwn ends nothing here.
func EndOwn() {}

// EndOrphans finds nothing here.
func EndOrphans(context.Context, int, string, func(int, time.Duration)) (o Orphans) { return o }
