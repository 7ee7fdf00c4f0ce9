package child

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// A daemon leaves its group and session, closes all descriptors and clears its environment, and its
// parents end. It keeps its limits. The limit of realtime scheduling concerns programs that are
// scheduled so, and one of a hundred thousand years no program at all. So a value of its own marks all
// that comes from one run. It also names the process that started the run, so that what outlives that
// process can be found.
const rlimitRealtime = 15 // RLIMIT_RTTIME, setrlimit(2), in microseconds

// The parts of a mark, from the top: that it is one, whether it spares daemons, the process that
// started the run (its number and the end of its start time), and the number of the run.
const (
	marked     uint64 = 1 << 62
	spares     uint64 = 1 << 61
	pidShift          = 39
	startShift        = 22
	startBits  uint64 = 1<<(pidShift-startShift) - 1
	runBits    uint64 = 1<<startShift - 1
)

// starting keeps two programs from being started with one mark: a process has its limits once.
var starting struct {
	sync.Mutex
	runs uint64
}

// familyOf returns what the marks of all programs have in common that a process has started.
func familyOf(pid int, start string) (family uint64, ok bool) {
	ticks, err := strconv.ParseUint(start, 10, 64)
	return marked | uint64(pid)<<pidShift | ticks&startBits<<startShift, err == nil && pid > 0 && pid < 1<<22
}

// startMarked starts a program that has a mark, and so all that comes from it. The mark is 0 where
// the system has none.
func startMarked(start func() error, daemons bool) (mark uint64, err error) {
	_, since, known := status(os.Getpid())
	family, ok := familyOf(os.Getpid(), since)
	starting.Lock()
	defer starting.Unlock()
	var own syscall.Rlimit
	if !known || !ok || syscall.Getrlimit(rlimitRealtime, &own) != nil {
		return 0, start()
	}
	starting.runs++
	mark = family | starting.runs&runBits
	if daemons {
		mark |= spares
	}
	if syscall.Setrlimit(rlimitRealtime, &syscall.Rlimit{Cur: mark, Max: own.Max}) != nil {
		return 0, start()
	}
	defer syscall.Setrlimit(rlimitRealtime, &own)
	return mark, start()
}

// realtimeOf reads the limit of a process.
func realtimeOf(process string) (limit uint64, ok bool) {
	text, err := os.ReadFile("/proc/" + process + "/limits")
	if err != nil {
		return 0, false
	}
	_, rest, _ := strings.Cut(string(text), "Max realtime timeout")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, false
	}
	limit, err = strconv.ParseUint(fields[0], 10, 64)
	return limit, err == nil
}
