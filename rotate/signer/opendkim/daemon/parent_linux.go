package daemon

import "syscall"

// withParent has a process end with the thread that starts it.
func withParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
