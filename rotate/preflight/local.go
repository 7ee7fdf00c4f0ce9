package preflight

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Command returns why a command of the configuration can't be run, as a fault. what says what it is for, and key
// where it stands.
func Command(what string, argv []string, key string) error {
	if len(argv) == 0 {
		return nil
	}
	path, err := exec.LookPath(argv[0])
	if err == nil {
		err = interpreter(path)
	}
	if err != nil {
		return &fault.Error{Kind: fault.Permanent, Code: codes.CommandMissing, What: what, Err: err,
			Hint: fmt.Sprintf("correct %s in the configuration; it is a program and its arguments, without a shell", key)}
	}
	return nil
}

// interpreter returns why the program that a script names in its first line can't run it. A file that can't be read
// is no script, or is judged by whoever runs it.
func interpreter(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	head := make([]byte, 256) // as much as the kernel reads of that line
	n, err := f.Read(head)
	line, isScript := bytes.CutPrefix(head[:n], []byte("#!"))
	if err != nil || !isScript {
		return nil
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	// a CR is part of the name
	words := strings.FieldsFunc(string(line), func(r rune) bool { return r == ' ' || r == '\t' })
	if len(words) == 0 {
		return fmt.Errorf("the first line of %s names no program that runs it", path)
	}
	if _, err := exec.LookPath(words[0]); err != nil {
		return fmt.Errorf("%s is to be run by %q, as its first line says: %w", path, words[0], err)
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
