package providers

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/dkimbot/dkimbot/providers/zonefile"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Check looks whether the zone has a file that dkimbot can change, and whether the reload command is there.
func (z *zoneFiles) Check(_ context.Context, rec dkim.TXT) error {
	found := zonefile.Inspect(z.module.Dir, rec.Zone)
	switch {
	case found.Err != nil:
		return permanent(fmt.Errorf("the zone file %s can't be used: %w", found.Path, found.Err), found.Hint)
	case found.Path == "":
		return permanent(errors.New("no file in "+z.module.Dir+" holds the zone"),
			"create the zone file, or correct dir of the provider or zone of the domain")
	}
	return preflight.Command("reload the name server", z.module.Reload, "reload")
}

// MayWrite foresees that the zone's file can't be replaced.
func (z *zoneFiles) MayWrite(_ context.Context, rec dkim.TXT) error {
	path := zonefile.FileOf(z.module.Dir, rec.Zone)
	if path == "" {
		return nil // that is reported already
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if err := safefile.MayReplace(path); err != nil {
		return &failure{kind: fault.Permanent, code: codes.NotWritable, err: err,
			hint: "let the user that runs dkimbot write there: it replaces the file, so it needs the directory " +
				filepath.Dir(path)}
	}
	return nil
}
