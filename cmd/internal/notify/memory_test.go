package notify

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

func failing(domain, message string, at time.Time) Document {
	e := rotate.Event{Domain: domain, Kind: rotate.Activate, Signer: "mx1", Outcome: Failed, Message: message, At: at}
	return ofEvent(e, fault.Temporary(message, nil, ""))
}

// TestSaidLessAndLess: a failure that lasts is reported at once, then after longer and
// longer times, also by processes that come one after the other.
func TestSaidLessAndLess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notices.json")
	log, said := newLog()
	var reported []string
	start := time.Now()
	for minute := 0; minute < 5*24*60; minute += 15 { // a cron job
		m := newMemory(path, log)
		at := time.Duration(minute) * time.Minute
		if m.due("mail", failing("example.com", fmt.Sprintf("dial tcp 192.0.2.1:%d: connection refused", minute+1024),
			start.Add(at))) {
			reported = append(reported, fmt.Sprint(at.Hours()))
		}
		m.save()
	}
	if got := strings.Join(reported, " "); got != "0 1 3 7 15 31 55 79 103" {
		t.Errorf("reported at the hours %s", got)
	}
	if said.String() != "" {
		t.Error(said)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// TestSaidOnceMore: what is another failure, or comes again after all was well, is reported at once.
func TestSaidOnceMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, _ := newLog()
		m, now := newMemory("", log), time.Now()
		first := failing("example.com", "it is down", now)
		words, elsewhere := failing("example.com", "it is gone", now), failing("example.org", "it is down", now)
		other, host, record := first, first, first
		other.failed.Code, host.failed.Signer = codes.Vanished, "mx2"
		record.failed.About = finding.Thing{Kind: finding.TheRecord, Selector: "s1"}
		for _, c := range []struct {
			what string
			to   string
			d    Document
			want bool
		}{
			{"a failure", "mail", first, true}, {"the same", "mail", first, false},
			{"the same to somebody else", "webhook", first, true},
			{"the same in other words", "mail", words, false}, {"another code", "mail", other, true},
			{"about another thing", "mail", record, true}, {"another domain", "mail", elsewhere, true},
			{"another signer", "mail", host, true}, {"still the same", "mail", first, false},
		} {
			if got := m.due(c.to, c.d); got != c.want {
				t.Errorf("%s: reported %t", c.what, got)
			}
		}
		m.well("example.org")
		if m.due("mail", first) || !m.due("mail", elsewhere) {
			t.Error("that one domain is well was not taken as that")
		}
		m.forget("mail", first)
		if !m.due("mail", first) {
			t.Error("what could not be reported is taken as reported")
		}
		first.At = now.Add(49 * time.Hour)
		if !m.due("mail", first) {
			t.Error("a failure of the day before yesterday is taken as reported")
		}
	})
}

// TestMemoryOfOthers: two processes that write at once lose nothing of each other's
// domains, and what is old goes.
func TestMemoryOfOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notices.json")
	log, _ := newLog()
	a, b, now := newMemory(path, log), newMemory(path, log), time.Now()
	a.due("mail", failing("a.example", "x", now))
	b.due("mail", failing("b.example", "x", now))
	b.due("mail", failing("old.example", "x", now.Add(-72*time.Hour)))
	a.save()
	b.save()
	c := newMemory(path, log)
	if c.due("mail", failing("a.example", "x", now)) || c.due("mail", failing("b.example", "x", now)) ||
		len(c.domains) != 2 {
		t.Errorf("in mind: %v", c.domains)
	}
	c.well("a.example")
	c.well("b.example")
	c.save()
	if d := newMemory(path, log); len(d.domains) != 0 {
		t.Errorf("in mind: %v", d.domains)
	}
}

// TestMemoryBroken: a memory that can't be read or written is said once, and
// mention continues.
func TestMemoryBroken(t *testing.T) {
	for title, prepare := range map[string]func(path string) error{
		"not JSON":  func(path string) error { return os.WriteFile(path, []byte("{"), 0o600) },
		"directory": func(path string) error { return os.Mkdir(path, 0o700) },
		"nowhere":   func(path string) error { return os.Remove(filepath.Dir(path)) },
	} {
		t.Run(title, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "dir", "notices.json")
			must(t, os.Mkdir(filepath.Dir(path), 0o700))
			must(t, prepare(path))
			log, said := newLog()
			m := newMemory(path, log)
			for range 2 {
				if !m.due("mail", failing("example.com", "x", time.Now())) {
					t.Error("not named")
				}
				m.forget("mail", failing("example.com", "x", time.Now()))
				m.save()
			}
			if n := strings.Count(said.String(), "can't store which failures"); n != 1 {
				t.Errorf("logged %d times:\n%s", n, said)
			}
		})
	}
}
