package machine

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Process names one process of one boot in one PID namespace, so that a lease whose
// owner was killed need not be watched before the work continues.
type Process struct {
	user  string // for people
	host  string
	boot  string // the start of an id that changes with each boot of the kernel
	space string // the PID and time namespaces; a PID and a start mean nothing elsewhere
	pid   int
	start string // in clock ticks since the boot; distinguishes processes that share a pid
}

// This returns the process that this is. Errors are faults.
func This() (Process, error) {
	what := "find out which process this is"
	host, err := os.Hostname()
	if err != nil {
		return Process{}, fault.Lasting(what, err, "give the machine a name: hostname")
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return Process{}, fault.Lasting(what, err, "mount /proc")
	}
	start, _, err := startOf("self")
	if err != nil {
		return Process{}, fault.Lasting(what, err, "mount /proc")
	}
	return Process{UserName(), host, string(boot[:min(len(boot), 8)]), namespaces(), os.Getpid(), start}, nil
}

// namespaces names those in which this process sees others, "-" when they can't be found out.
func namespaces() string {
	var out []string
	for _, kind := range []string{"pid", "time"} {
		link, err := os.Readlink("/proc/self/ns/" + kind)
		if err != nil && !(kind == "time" && errors.Is(err, os.ErrNotExist)) { // kernels before 5.6 have one for all
			return "-"
		}
		out = append(out, strings.Trim(link, kind+":[]"))
	}
	return strings.Join(out, ".")
}

// UserName is who runs this process, by name or else by number.
func UserName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return strconv.Itoa(os.Getuid())
}

// String is read by people in messages, and by KnowsDead in leases.
func (p Process) String() string {
	return fmt.Sprintf("%s pid %d (start %s boot %s ns %s)", p.Actor(), p.pid, p.start, p.boot, p.space)
}

// Actor names who runs this process, for people reading the history.
func (p Process) Actor() string { return p.user + "@" + p.host }

// KnowsDead reports whether the owner is proved to run no more: it ran in the
// namespaces that this process is in, since the same boot, and the kernel knows no
// process of that number, or one that started at another time. That /proc shows
// nothing is no proof: it hides processes of others (hidepid, ProtectProc=), and may
// be that of another namespace. Nor is a boot that is not this one's: that
// may be another machine, of the same name.
func (p Process) KnowsDead(owner string) bool {
	o, ok := p.beside(owner)
	if !ok {
		return false
	}
	if errors.Is(syscall.Kill(o.pid, 0), syscall.ESRCH) {
		return true
	}
	start, pid, err := startOf(strconv.Itoa(o.pid))
	return err == nil && ownProc() && pid == o.pid && start != o.start
}

// beside reads an owner that ran in the namespaces that this process is in, since the same boot.
func (p Process) beside(owner string) (o Process, ok bool) {
	_, rest, _ := strings.Cut(owner, " pid ")
	n, err := fmt.Sscanf(strings.ReplaceAll(rest, ")", ""), "%d (start %s boot %s ns %s", &o.pid, &o.start,
		&o.boot, &o.space)
	return o, n == 4 && err == nil && o.pid > 0 && o.boot == p.boot && o.space == p.space && p.space != "-"
}

// ownProc reports whether /proc is that of this process's PID namespace: it shows
// one number of this process then, else one for each namespace in between.
func ownProc() bool {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	_, rest, found := strings.Cut(string(text), "\nNSpid:")
	line, _, _ := strings.Cut(rest, "\n")
	numbers := strings.Fields(line)
	return found && len(numbers) == 1 && numbers[0] == strconv.Itoa(os.Getpid())
}

// startOf returns a process's start time and number, fields 22 and 1 of
// proc_pid_stat(5). The second field may hold spaces and brackets; count from its end.
func startOf(process string) (start string, pid int, err error) {
	text, err := os.ReadFile("/proc/" + process + "/stat")
	if err != nil {
		return "", 0, err
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 {
		return "", 0, errors.New("/proc/" + process + "/stat can't be read")
	}
	number, _, _ := strings.Cut(string(text), " ")
	if pid, err = strconv.Atoi(number); err != nil {
		return "", 0, err
	}
	return fields[19], pid, nil
}
