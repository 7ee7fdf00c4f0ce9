package found

import (
	"bytes"
	"context"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
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

	Proc string // where the kernel reports processes; "" for a copy, on which none run
}

// askTime is how long a program may take to print its configuration.
const askTime = 30 * time.Second

// At returns the host whose files are below root. Only this machine's programs can be asked.
func At(root string) Host {
	h := Host{Root: root}
	if h.here() {
		h.Proc = "/proc"
		h.Ask = func(ctx context.Context, program string, args ...string) ([]byte, error) {
			res, err := child.Run(ctx, child.Program{Argv: append([]string{program}, args...), Timeout: askTime})
			return res.Stdout, err
		}
	}
	return h
}

// here reports whether the host is this machine, whose programs can be asked.
func (h Host) here() bool { return filepath.Clean(h.Root) == "/" }

// At returns where a file of the host is on this machine.
func (h Host) At(path string) string { return filepath.Join(h.Root, path) }

// Read reads a file of the host, up to a size that no configuration has.
func (h Host) Read(path string) ([]byte, error) { return safefile.Read(h.At(path), most) }

// Has reports whether a file of the host is there.
func (h Host) Has(path string) bool {
	_, err := os.Stat(h.At(path))
	return err == nil
}

// First returns the first of the paths that is there, "" for none.
func (h Host) First(paths ...string) string {
	for _, p := range paths {
		if h.Has(p) {
			return p
		}
	}
	return ""
}

// ReadTrusted is Read for what decides whom dkimbot trusts: on this machine only root may be able to change the
// file, or to exchange it.
func (h Host) ReadTrusted(path string) ([]byte, error) {
	if !h.here() {
		return h.Read(path)
	}
	f, err := safefile.OpenTrusted(path, most)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return safefile.ReadAll(f, most)
}

// Process is a program that runs.
type Process struct {
	Line []string // its command line
	Unit string   // of systemd, that started it; "" when that can't be found out
}

// Running returns the programs of a name that root or one of the users runs, from a directory of the system. What
// others call so is not believed.
func (h Host) Running(program string, users ...string) (out []Process) {
	if h.Proc == "" {
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
	all, _ := filepath.Glob(h.Proc + "/[0-9]*") // the pattern is right
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
		groups, _ := os.ReadFile(dir + "/cgroup") // there is none without cgroups
		p := Process{Unit: unitOf(string(groups))}
		for word := range bytes.SplitSeq(bytes.TrimRight(text, "\x00"), []byte{0}) {
			p.Line = append(p.Line, string(word))
		}
		out = append(out, p)
	}
	return out
}

var unitForm = regexp.MustCompile(`^[A-Za-z0-9:_.@\\-]+\.service$`)

// unitOf returns the unit of a process from its control groups, /proc/PID/cgroup; "" when no service of the system
// has started it. Groups below a unit are made by the unit, and are no units.
func unitOf(groups string) string {
	for line := range strings.Lines(groups) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3) // number, controllers, path
		if len(parts) < 3 || parts[1] != "" && parts[1] != "name=systemd" {
			continue
		}
		for name := range strings.SplitSeq(strings.TrimPrefix(parts[2], "/"), "/") {
			switch {
			case name != "user.slice" && strings.HasSuffix(name, ".slice"):
				continue
			case unitForm.MatchString(name):
				return name
			}
			break
		}
	}
	return ""
}

// Reloads reports whether a unit says how it is asked to read its files again. A unit that is asked to by what stands
// beside its file counts as one that does not.
func (h Host) Reloads(unit string) bool {
	names := []string{unit}
	if name, _, instance := strings.Cut(unit, "@"); instance {
		names = append(names, name+"@.service")
	}
	for _, name := range names {
		for _, dir := range []string{"/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
			"/lib/systemd/system", "/usr/lib/systemd/system"} {
			if text, err := h.Read(filepath.Join(dir, name)); err == nil {
				return reloadLine.Match(text)
			}
		}
	}
	return false
}

var reloadLine = regexp.MustCompile(`(?m)^[ \t]*ExecReload[ \t]*=[ \t]*[^ \t\r\n]`)
