package zonefile

import (
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/providers/zonefile/master"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// zoneCache holds the zones of a directory as they were last read. It is safe
// for concurrent use.
type zoneCache struct {
	dir    string
	log    *slog.Logger
	mu     sync.Mutex
	zones  map[string]*cached // by path
	logged map[string]string  // what was logged last, by path
}

// cached is a zone, or why it can't be read, and what the files looked like.
type cached struct {
	files []master.Source // the zone file and all that it includes
	zone  *zone
	err   error
	until time.Time // an error is looked into again then, whatever its reason was
}

// retryAfter is how long an error counts that no change of a file can end.
const retryAfter = time.Second

// find returns the zone with the longest name that holds name, from its file as
// it is now, or nil when there is none.
func (c *zoneCache) find(name string) (*zone, error) {
	path, zone, err := locate(c.dir, name)
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.logFlaws(path, err, nil)
		return nil, err
	}
	if path == "" {
		return nil, nil
	}
	return c.get(zone+".", path)
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
	var flaws []*master.Flaw
	if e.zone != nil {
		flaws = e.zone.flaws
	}
	c.logFlaws(path, e.err, flaws)
	return e.zone, e.err
}

// logFlaws logs what of a file can't be served, once until that changes.
func (c *zoneCache) logFlaws(path string, err error, flaws []*master.Flaw) {
	said := fmt.Sprint(err)
	for _, f := range flaws {
		said += "\n" + f.Error()
	}
	if c.logged[path] == said {
		return
	}
	if c.logged == nil {
		c.logged = map[string]string{}
	}
	c.logged[path] = said
	if err != nil {
		c.log.Error("the zone can't be read: queries for it are answered with SERVFAIL", "file", path, "error", err,
			"hint", hintOf(err))
	}
	for i, f := range flaws {
		if i == maxNamed {
			c.log.Error("more records can't be read", "file", path, "count", len(flaws)-i)
			break
		}
		c.log.Error("a record can't be read: queries for it are answered with SERVFAIL, the rest of the zone is served",
			"file", path, "error", f.Error())
	}
}

// maxNamed is how many records of one file are named in the log.
const maxNamed = 20

func readZone(origin, path string) *cached {
	e := &cached{until: time.Now().Add(retryAfter)}
	c, err := master.ReadFile(path, master.MaxFile, safefile.Others{})
	if err != nil {
		e.err = err
		return e
	}
	r, _, err := master.Read(origin, path, c)
	e.files = append([]master.Source{{Path: path, Info: c.Info}}, r.Sources...)
	if e.err = err; err == nil {
		e.zone, e.err = newZone(r)
	}
	return e
}

// fresh says whether all files are as they were.
func (e *cached) fresh() bool {
	if e.err != nil && time.Now().After(e.until) {
		return false
	}
	for _, was := range e.files {
		if now, err := os.Stat(was.Path); err != nil || !master.Unchanged(was.Info, now) {
			return false
		}
	}
	return e.err != nil || len(e.files) > 0
}
