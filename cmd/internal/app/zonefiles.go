package app

import (
	"cmp"
	"errors"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/providers/zonefile"
)

// ZoneFiles looks into the zone files of all domains. Errors are files that dkimbot can't
// change; warnings are records that it can't answer for where it is to listen. A file
// that is missing is neither: this machine need not be the one that has it.
func ZoneFiles(cfg *config.Config) (errs config.Errors, warnings []config.Error) {
	seen := map[string]bool{}
	for _, d := range cfg.Domains {
		p := cfg.Providers[d.Provider].Zonefile
		if p == nil {
			continue
		}
		found := zonefile.Inspect(p.Dir, cmp.Or(d.Zone, d.Name))
		if found.Path == "" || seen[found.Path] {
			continue
		}
		seen[found.Path] = true
		if found.Err != nil {
			errs = append(errs, inZoneFile(found.Path, found.Err, found.Hint))
		}
		if p.Listen == "" {
			continue
		}
		for _, flaw := range found.Unread {
			warnings = append(warnings, inZoneFile(found.Path, flaw,
				"queries for it are answered with SERVFAIL by dkimbot; other name servers can serve it from the same file"))
		}
	}
	return errs, warnings
}

// inZoneFile names the line of the zone file where it is known.
func inZoneFile(path string, err error, remedy string) config.Error {
	e := config.Error{File: path, Line: 1, Problem: err.Error(), Remedy: remedy}
	if flaw := (*zonefile.Flaw)(nil); errors.As(err, &flaw) && flaw.File == "" && flaw.Line > 0 {
		e.Line, e.Problem = flaw.Line, flaw.Reason
	}
	return e
}
