package preflight

import (
	"fmt"
	"os/exec"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Command returns why a command of the configuration can't be run, as a fault. what says what it is for, and key
// where it stands.
func Command(what string, argv []string, key string) error {
	if len(argv) == 0 {
		return nil
	}
	if _, err := exec.LookPath(argv[0]); err != nil {
		return &fault.Error{Kind: fault.Permanent, Code: codes.CommandMissing, What: what, Err: err,
			Hint: fmt.Sprintf("correct %s in the configuration; it is a program and its arguments, without a shell", key)}
	}
	return nil
}

// Coded gives a fault that has no code this one.
func Coded(code codes.Code, err error) error {
	if f, ok := err.(*fault.Error); ok && fault.CodeOf(err) == "" {
		out := *f
		out.Code = code
		return &out
	}
	return err
}
