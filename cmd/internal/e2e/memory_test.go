package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestNoCore guards I9: a daemon that crashes leaves no image of its memory, where tokens are and keys
// may be. (Where core dumps go to a program, core(5), or are switched off, none is seen in any case.)
func TestNoCore(t *testing.T) {
	dir := t.TempDir()
	state, config := filepath.Join(dir, "state.db"), filepath.Join(dir, "dkimbot.yaml")
	must(t, os.MkdirAll(filepath.Join(dir, "zones"), 0o700))
	must(t, os.WriteFile(config, fmt.Appendf(nil, `
state: { path: %s }
providers: { lab: { driver: zonefile, dir: zones } }
signers: { mx1: { driver: exec, command: ["true"] } }
domains: [{ name: example.test, zone: example.test, provider: lab, signers: [mx1] }]
`, state), 0o600))
	cmd := exec.Command("sh", "-c", `ulimit -c unlimited && exec "$@"`, "sh", build(t), "daemon", "--config", config)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOTRACEBACK=crash")
	must(t, cmd.Start())
	defer cmd.Process.Kill()
	for deadline := time.Now().Add(commandLimit); ; time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(state); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the daemon does not begin")
		}
	}
	must(t, cmd.Process.Signal(syscall.SIGSEGV))
	cmd.Wait()
	if end := cmd.ProcessState.Sys().(syscall.WaitStatus); !end.Signaled() || end.CoreDump() {
		t.Errorf("it ended with %v; want a crash without a core dump", cmd.ProcessState)
	}
}
