//go:build !linux

package daemon

import "syscall"

func withParent() *syscall.SysProcAttr { return nil }
