package bench

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// meter makes keys and notes the processor time of each. How long an RSA key takes is
// a matter of luck, so two rounds never make the same effort; the meter tells by
// how much they differ.
type meter struct {
	mu    sync.Mutex
	keys  int
	sum   float64 // seconds
	sumSq float64
}

// generate is dkim.Generate, metered.
func (m *meter) generate(alg dkim.Algorithm) (*dkim.PrivateKey, error) {
	runtime.LockOSThread() // the time that is read is the thread's
	defer runtime.UnlockOSThread()
	before := cpuTime(syscall.RUSAGE_SELF + 1) // RUSAGE_THREAD, getrusage(2)
	key, err := dkim.Generate(alg)
	spent := (cpuTime(syscall.RUSAGE_SELF+1) - before).Seconds()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys++
	m.sum += spent
	m.sumSq += spent * spent
	return key, err
}

// add takes another meter's keys in.
func (m *meter) add(o *meter) {
	m.keys, m.sum, m.sumSq = m.keys+o.keys, m.sum+o.sum, m.sumSq+o.sumSq
}

// mean returns the processor time of a key.
func (m *meter) mean() float64 { return m.sum / float64(m.keys) }

// luck returns by which part the effort for n keys varies from round to round (one
// standard deviation).
func (m *meter) luck(n int) float64 {
	variance := m.sumSq/float64(m.keys) - m.mean()*m.mean()
	return math.Sqrt(variance/float64(n)) / m.mean()
}

func cpuTime(who int) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// serversTime returns the processor time that the servers have used, which are this
// process's children: proc_pid_stat(5), fields 4, 14 and 15.
func serversTime() time.Duration {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	ticks := 0
	for _, file := range files {
		text, _ := os.ReadFile(file) // it may have ended
		_, text, _ = bytes.Cut(text, []byte(") "))
		f := strings.Fields(string(text))
		if len(f) < 13 || f[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		user, _ := strconv.Atoi(f[11])
		system, _ := strconv.Atoi(f[12])
		ticks += user + system
	}
	return time.Duration(ticks) * 10 * time.Millisecond // of USER_HZ
}

// keysAlone makes n keys on all processors and does nothing else.
func keysAlone(tb testing.TB, m *meter, n int) time.Duration {
	tb.Helper()
	start := time.Now()
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for range n {
		g.Go(func() error {
			_, err := m.generate(dkim.RSA2048)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		tb.Fatal(err)
	}
	return time.Since(start)
}
