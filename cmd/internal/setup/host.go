package setup

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// most is how much of a file is read.
const most = 4 << 20

// Host is a machine, or a copy of its files.
type Host struct {
	Root string // where its files are; "/" for this machine
	// Ask runs a program of the host that prints its configuration; nil where no program can be asked.
	Ask func(ctx context.Context, program string, args ...string) ([]byte, error)
}

// askTime is how long a program may take to print its configuration.
const askTime = 30 * time.Second

// At returns the host whose files are below root. Only this machine's programs can be asked.
func At(root string) Host {
	h := Host{Root: root}
	if h.here() {
		h.Ask = func(ctx context.Context, program string, args ...string) ([]byte, error) {
			res, err := child.Run(ctx, child.Program{Argv: append([]string{program}, args...), Timeout: askTime})
			return res.Stdout, err
		}
	}
	return h
}

// here reports whether the host is this machine, whose programs can be asked.
func (h Host) here() bool { return filepath.Clean(h.Root) == "/" }

func (h Host) at(path string) string { return filepath.Join(h.Root, path) }

func (h Host) read(path string) ([]byte, error) { return safefile.Read(h.at(path), most) }

func (h Host) has(path string) bool {
	_, err := os.Stat(h.at(path))
	return err == nil
}

// first returns the first of the paths that is there, "" for none.
func (h Host) first(paths ...string) string {
	for _, p := range paths {
		if h.has(p) {
			return p
		}
	}
	return ""
}

// commandLines returns the command lines of the running programs of a name, without those that
// this process may not see.
func (h Host) commandLines(program string) (out [][]string) {
	if !h.here() {
		return nil
	}
	all, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is right
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var line []string
		for word := range bytes.SplitSeq(bytes.TrimRight(text, "\x00"), []byte{0}) {
			line = append(line, string(word))
		}
		if filepath.Base(line[0]) == program {
			out = append(out, line)
		}
	}
	return out
}
