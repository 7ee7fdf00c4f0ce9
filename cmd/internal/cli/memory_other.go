//go:build !linux

package cli

// KeepMemory does nothing here: use the limits of the shell or the service manager.
func KeepMemory() {}
