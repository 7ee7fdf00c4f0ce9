package app

import (
	"cmp"
	"errors"
	"path/filepath"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/providers"
	"github.com/dkimbot/dkimbot/providers/zonefile"
	"github.com/dkimbot/dkimbot/providers/zonefile/master"
)

// ZoneFindings is what is wrong with the zone files of all domains.
type ZoneFindings struct {
	Errs    config.Errors  // files that dkimbot can't change
	Missing []config.Error // files that are not on this machine, which need not be the one that has them
	Unread  []config.Error // records that dkimbot can't answer for where it is to listen
}

// ZoneFiles reads the zone files of all domains and returns what is wrong with them.
func ZoneFiles(cfg *config.Config) ZoneFindings {
	var all ZoneFindings
	seen := readFiles{files: map[[2]string]string{}, paths: map[string]bool{}}
	for _, d := range cfg.Domains {
		for _, name := range d.Accounts() {
			if p, ok := cfg.Providers[name].Account.(*providers.ZoneFile); ok {
				all.inspect(p, d, seen)
			}
		}
	}
	return all
}

// readFiles is which zone files were read: a file may hold the zone of very many domains.
type readFiles struct {
	files map[[2]string]string // by directory and zone
	paths map[string]bool
}

// of returns the path of a zone's file, "" without one, and whether it is to be read now.
func (r readFiles) of(dir, zone string) (path string, now bool) {
	key := [2]string{dir, zone}
	path, known := r.files[key]
	if !known {
		path = zonefile.FileOf(dir, zone)
		r.files[key] = path
	}
	now = path != "" && !r.paths[path]
	r.paths[path] = true
	return path, now
}

// inspect reads the zone file of a domain, unless it was read for another domain.
func (all *ZoneFindings) inspect(p *providers.ZoneFile, d config.Domain, seen readFiles) {
	zone := cmp.Or(d.Zone, d.Name)
	path, now := seen.of(p.Dir, zone)
	if path == "" {
		all.Missing = append(all.Missing, missingZoneFile(p.Dir, zone, d.Name))
	}
	if !now {
		return
	}
	if found := zonefile.Inspect(p.Dir, zone); found.Path != "" {
		all.add(found, p.Listen != "")
	}
}

func (all *ZoneFindings) add(found zonefile.Inspection, listens bool) {
	if found.Err != nil {
		all.Errs = append(all.Errs, inZoneFile(found.Path, found.Err, found.Hint))
	}
	if !listens {
		return
	}
	for _, flaw := range found.Unread {
		all.Unread = append(all.Unread, inZoneFile(found.Path, flaw,
			"queries for it are answered with SERVFAIL by dkimbot; other name servers can serve it from the same file"))
	}
}

func missingZoneFile(dir, zone, domain string) config.Error {
	return config.Error{File: filepath.Join(dir, zone+".zone"), Line: 1,
		Problem: "the zone file is missing: no file in " + dir + " holds a zone for " + domain +
			", so no key of it can be published from this machine",
		Remedy: "create the zone file, or correct dir of the provider or zone of the domain"}
}

// inZoneFile names the line of the zone file where it is known.
func inZoneFile(path string, err error, remedy string) config.Error {
	e := config.Error{File: path, Line: 1, Problem: err.Error(), Remedy: remedy}
	if flaw := (*master.Flaw)(nil); errors.As(err, &flaw) && flaw.File == "" && flaw.Line > 0 {
		e.Line, e.Problem = flaw.Line, flaw.Reason
	}
	return e
}
