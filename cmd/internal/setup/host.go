package setup

import (
	"bytes"
	"context"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

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

// readTrusted is read for what decides whom dkimbot trusts: on this machine only root may be able to change the
// file, or to exchange it.
func (h Host) readTrusted(path string) ([]byte, error) {
	if !h.here() {
		return h.read(path)
	}
	f, err := safefile.OpenTrusted(path, most)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return safefile.ReadAll(f, most)
}

// process is a program that runs.
type process struct {
	uid  uint32
	line []string // its command line
}

// running returns the programs of a name that root or one of the users runs, from a directory of the system. What
// others call so is not believed.
func (h Host) running(program string, users ...string) (out []process) {
	if !h.here() {
		return nil
	}
	may := []uint32{0}
	for _, name := range users {
		if u, err := user.Lookup(name); err == nil {
			if uid, err := strconv.ParseUint(u.Uid, 10, 32); err == nil {
				may = append(may, uint32(uid))
			}
		}
	}
	all, _ := filepath.Glob("/proc/[0-9]*") // the pattern is right
	for _, dir := range all {
		var st unix.Stat_t
		exe, err := os.Readlink(dir + "/exe")
		if err != nil || unix.Stat(dir, &st) != nil || !slices.Contains(may, st.Uid) || filepath.Base(exe) != program ||
			!slices.Contains([]string{"/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"}, filepath.Dir(exe)) {
			continue
		}
		text, err := os.ReadFile(dir + "/cmdline")
		if err != nil || len(text) == 0 {
			continue
		}
		p := process{uid: st.Uid}
		for word := range bytes.SplitSeq(bytes.TrimRight(text, "\x00"), []byte{0}) {
			p.line = append(p.line, string(word))
		}
		out = append(out, p)
	}
	return out
}
