package providers

import (
	"context"

	"github.com/libdns/libdns"

	"github.com/dkimbot/dkimbot/providers/zonefile"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// zoneFiles publishes in zone files on this machine.
type zoneFiles struct{ module *zonefile.Provider }

func openZoneFile(_ context.Context, cfg Config) (adapter, error) {
	c := cfg.ZoneFile
	return &zoneFiles{&zonefile.Provider{Dir: c.Dir, Reload: c.Reload, ReloadTimeout: c.ReloadTimeout}}, nil
}

func (z *zoneFiles) cost(string) int { return 1 }

func (z *zoneFiles) set(ctx context.Context, rec dkim.TXT) error {
	_, err := z.module.SetRecords(ctx, rec.Zone+".", []libdns.Record{libdnsTXT(rec)})
	return err
}
