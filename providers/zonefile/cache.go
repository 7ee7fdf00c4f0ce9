package zonefile

import (
	"errors"
	"io/fs"
	"os"
	"sync"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// zoneCache holds the zones of a directory as they were last read. It is safe
// for concurrent use.
type zoneCache struct {
	dir   string
	mu    sync.Mutex
	zones map[string]*cached // by path
}

// cached is a zone, or why it can't be read, and what the files looked like.
type cached struct {
	files []string // the zone file and all that it includes
	infos []fs.FileInfo
	zone  *zone
	err   error
}

// find returns the zone with the longest name that holds name, from its file as
// it is now, or nil when there is none.
func (c *zoneCache) find(name string) (*zone, error) {
	for off, end := 0, false; !end; off, end = dns.NextLabel(name, off) {
		zone, err := dkim.ParseDomain(name[off:])
		if err != nil {
			continue // no file can have this name
		}
		path, err := findFile(c.dir, zone)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return nil, err
		}
		return c.get(zone+".", path)
	}
	return nil, nil
}

func (c *zoneCache) get(origin, path string) (*zone, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.zones[path]; e != nil && e.fresh() {
		return e.zone, e.err
	}
	if c.zones == nil {
		c.zones = map[string]*cached{}
	}
	e := readZone(origin, path)
	c.zones[path] = e
	return e.zone, e.err
}

func readZone(origin, path string) *cached {
	e := &cached{files: []string{path}}
	info, err := os.Stat(path) // before reading: a change meanwhile is seen next time
	if err != nil {
		return &cached{err: err}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return &cached{err: err}
	}
	p := parser{origin: origin, path: path}
	rrs, soa, err := p.parseZone(string(text))
	e.files = append(e.files, p.files...)
	e.infos = append([]fs.FileInfo{info}, p.included...)
	if e.err = err; err == nil {
		e.zone = newZone(origin, soa, rrs)
	}
	return e
}

// fresh tells whether all files are as they were. A rename is noticed even if
// size and time are the same.
func (e *cached) fresh() bool {
	for i, was := range e.infos {
		now, err := os.Stat(e.files[i])
		if err != nil || !os.SameFile(now, was) || now.Size() != was.Size() || !now.ModTime().Equal(was.ModTime()) {
			return false
		}
	}
	return len(e.infos) > 0
}
