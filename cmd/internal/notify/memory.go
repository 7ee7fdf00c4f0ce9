package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/report"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// memory knows which failures were reported to whom, so that one that lasts is reported
// less and less often: also by commands that cron starts again each time. It lives
// in a file; when two processes write it at once, one failure may be reported twice.
type memory struct {
	path string // "": it ends with the process
	log  *slog.Logger

	mu      sync.Mutex
	domains map[string]map[string]mention // by domain, then by failure
	touched map[string]bool               // domains that changed since the file was written
	broken  bool                          // the file can't be used, which was logged
}

// mention is how often a failure was reported.
type mention struct {
	Times int       `json:"times"`
	At    time.Time `json:"at"`   // when it was reported last
	Seen  time.Time `json:"seen"` // when it came last
}

type memoryFile struct {
	FormatVersion int                           `json:"format_version"`
	Domains       map[string]map[string]mention `json:"domains"`
}

// What is reported again, and when it is new.
const (
	firstPause   = time.Hour
	longestPause = 24 * time.Hour
	forgetAfter  = 48 * time.Hour // a failure that was away so long is a new one
)

func newMemory(path string, log *slog.Logger) *memory {
	m := &memory{path: path, log: log, touched: map[string]bool{}}
	m.domains = m.read()
	return m
}

// due reports whether to report the failure, and notes that it was reported.
func (m *memory) due(to string, d Document) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	of, key := m.domains[d.Domain], failure(to, d)
	t := of[key]
	if !t.Seen.IsZero() && d.At.Sub(t.Seen) > forgetAfter {
		t = mention{}
	}
	pause := longestPause
	if t.Times < 6 {
		pause = min(pause, firstPause<<max(t.Times-1, 0))
	}
	report := t.Times == 0 || d.At.Sub(t.At) >= pause
	if t.Seen = d.At; report {
		t.Times, t.At = t.Times+1, d.At
	}
	if of == nil {
		of = map[string]mention{}
		m.domains[d.Domain] = of
	}
	of[key] = t
	m.touched[d.Domain] = true
	return report
}

// forget forgets a failure that could not be reported.
func (m *memory) forget(to string, d Document) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.domains[d.Domain], failure(to, d))
	m.touched[d.Domain] = true
}

// well forgets all failures of a domain that has none any more.
func (m *memory) well(domain string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.domains[domain]) > 0 {
		delete(m.domains, domain)
		m.touched[domain] = true
	}
}

// failure names what is reported again only now and then: by what failed and its code. The words
// don't count, since they may hold times or ports, and may be put better in the next version.
func failure(to string, d Document) string {
	f := d.failed
	what := strings.Join([]string{d.Event, d.Command, string(f.Kind), f.Selector, f.Signer, string(f.Code),
		string(f.About.Kind), f.About.Selector, f.About.Signer}, "\x00")
	sum := sha256.Sum256([]byte(what))
	return to + " " + hex.EncodeToString(sum[:8])
}

// maxMemory is far more than the failures of a hundred thousand domains need.
const maxMemory = 256 << 20

func (m *memory) file() ([]byte, error) {
	if m.path == "" {
		return nil, fs.ErrNotExist
	}
	return safefile.Read(m.path, maxMemory)
}

func (m *memory) read() map[string]map[string]mention {
	var file memoryFile
	text, err := m.file()
	if m.path != "" && err == nil {
		err = json.Unmarshal(text, &file)
	}
	if m.path != "" && !errors.Is(err, fs.ErrNotExist) {
		m.trouble(err)
	}
	if file.Domains == nil {
		file.Domains = map[string]map[string]mention{}
	}
	return file.Domains
}

// save writes what changed.
func (m *memory) save() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.path == "" || len(m.touched) == 0 {
		return
	}
	all := m.read() // what other processes reported meanwhile
	for domain := range m.touched {
		if all[domain] = m.domains[domain]; len(all[domain]) == 0 {
			delete(all, domain)
		}
	}
	now := time.Now()
	for domain, of := range all {
		maps.DeleteFunc(of, func(_ string, t mention) bool { return now.Sub(t.Seen) > forgetAfter })
		if len(of) == 0 {
			delete(all, domain)
		}
	}
	m.domains, m.touched = all, map[string]bool{}
	text, err := json.Marshal(memoryFile{report.FormatVersion, all})
	if err == nil {
		err = safefile.Write(m.path, append(text, '\n'), safefile.Ours(0o600))
	}
	m.trouble(err)
}

// trouble logs once that the file can't be used: failures are then reported more often.
func (m *memory) trouble(err error) {
	if err != nil && !m.broken {
		m.log.Warn("can't store which failures were reported; they may be reported again too soon",
			"file", m.path, "error", err)
	}
	m.broken = err != nil
}
