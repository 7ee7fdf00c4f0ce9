package child

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// A daemon leaves its group and session, closes all descriptors and clears its environment, and its
// parents end. It keeps its limits. The limit of realtime scheduling concerns programs that are
// scheduled so, and one of a hundred thousand years no program at all. So a value of its own marks all
// that comes from one run.
const rlimitRealtime = 15 // RLIMIT_RTTIME, setrlimit(2), in microseconds

// startMarked starts a program that has a mark, and so all that comes from it. The mark is 0 where
// the system has none.
func startMarked(start func() error) (mark uint64, err error) {
	starting.Lock()
	defer starting.Unlock()
	var own syscall.Rlimit
	if syscall.Getrlimit(rlimitRealtime, &own) != nil {
		return 0, start()
	}
	mark = 1<<62 | rand.Uint64N(1<<61)
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
