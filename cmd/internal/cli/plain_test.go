package cli_test

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"syscall"
	"testing"
)

// plainProgram is the program without the race detector, which makes it take three times as
// long: for tables that run it hundreds of times, where other tests run the same code with it.
var plainProgram = "dkimbot"

// withPlain builds the plain program before the tests run, if they have the race detector.
type withPlain struct{ *testing.M }

func (m withPlain) Run() int {
	// Tests that are started with nohup start programs that still hear of a terminal that goes away: a
	// program inherits what is ignored, and not what is waited for.
	if signal.Ignored(syscall.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || !slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		return m.M.Run()
	}
	dir, err := os.MkdirTemp("", "plain")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	plainProgram = filepath.Join(dir, "dkimbot")
	build := exec.Command("go", "build", "-trimpath", "-o", plainProgram, "github.com/dkimbot/dkimbot/cmd/dkimbot")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as it is released
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		panic(err)
	}
	return m.M.Run()
}

// plain makes the lab run the plain program.
func (l *lab) plain() *lab {
	l.Program = plainProgram
	return l
}
