package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// process names one process on one machine since one boot, so that a lease whose
// owner was killed need not run out before the work goes on.
type process struct {
	user  string // for people
	host  string
	boot  string // the start of an id that changes with each boot
	pid   int
	start string // in clock ticks since the boot; tells apart processes that share a pid
}

func thisProcess() (process, error) {
	what := "find out which process this is"
	host, err := os.Hostname()
	if err != nil {
		return process{}, fault.Lasting(what, err, "give the machine a name: hostname")
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return process{}, fault.Lasting(what, err, "mount /proc")
	}
	start, err := startOf(os.Getpid())
	if err != nil {
		return process{}, fault.Lasting(what, err, "mount /proc")
	}
	return process{userName(), host, string(boot[:min(len(boot), 8)]), os.Getpid(), start}, nil
}

// userName is who runs this process, by name or else by number.
func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}

// String is read by people in messages, and by knowsDead in leases.
func (p process) String() string {
	return fmt.Sprintf("%s pid %d (start %s boot %s)", p.actor(), p.pid, p.start, p.boot)
}

// actor names who runs this process, for people reading the history.
func (p process) actor() string { return p.user + "@" + p.host }

// knowsDead reports whether the owner was a process of this machine that surely
// runs no more. Of other machines' processes nothing is known.
func (p process) knowsDead(owner string) bool {
	var o process
	who, rest, _ := strings.Cut(owner, " pid ")
	o.host = who[strings.LastIndexByte(who, '@')+1:]
	if n, err := fmt.Sscanf(strings.ReplaceAll(rest, ")", ""), "%d (start %s boot %s", &o.pid, &o.start, &o.boot); n != 3 || err != nil || o.host != p.host {
		return false
	}
	if o.boot != p.boot {
		return true
	}
	start, err := startOf(o.pid)
	return errors.Is(err, fs.ErrNotExist) || err == nil && start != o.start
}

// startOf returns a process's start time, field 22 of proc_pid_stat(5). The
// second field may hold spaces and brackets; count from its end.
func startOf(pid int) (string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 {
		return "", fmt.Errorf("/proc/%d/stat can't be read", pid)
	}
	return fields[19], nil
}
