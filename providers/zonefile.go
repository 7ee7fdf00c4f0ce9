package providers

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/libdns/libdns"

	"github.com/dkimbot/dkimbot/providers/zonefile"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// ZoneFile is a directory of standard zone files on this machine.
type ZoneFile struct {
	Dir           string        `json:"dir"`
	Listen        string        `json:"listen"`         // host:port to answer on; "": nowhere
	Reload        []string      `json:"reload"`         // command that makes a name server read the files; nil: none
	ReloadTimeout time.Duration `json:"reload_timeout"` // 0: 30 seconds
}

// Driver names the kind of account. The reload command has a time of its own.
func (c *ZoneFile) Driver() Driver {
	return Driver{
		Name:    "zonefile",
		Service: "the zone file",
		Meaning: "a directory of standard zone files on this machine, which dkimbot or a name server answers from",
		Timeout: defaultTimeout + cmp.Or(c.ReloadTimeout, 30*time.Second),
	}
}

// Fields returns the keys of the driver.
func (c *ZoneFile) Fields() []settings.Field {
	return []settings.Field{
		{
			Key:      "reload_timeout",
			Into:     &c.ReloadTimeout,
			Shortest: time.Millisecond,
			Default:  "30s",
			Meaning:  "how long the reload command may take",
		},
		{Key: "listen", Into: &c.Listen, Form: settings.Listen(),
			Claim:   func() *settings.Claim { return settings.Own("address", c.Listen) },
			Meaning: "where dkimbot answers for the zones while it runs"},
		{Key: "reload", Into: &c.Reload, Meaning: "the command that makes a name server read the files again"},
		{Key: "dir", Into: &c.Dir, Need: "write the directory that holds the zone files", Form: settings.Path(),
			Claim:   func() *settings.Claim { return settings.Own("directory", c.Dir) },
			Meaning: "the directory of the zone files"},
	}
}

// Open makes what writes the zone files.
func (c *ZoneFile) Open(context.Context, settings.Secrets) (Adapter, error) {
	return &zoneFiles{&zonefile.Provider{Dir: c.Dir, Reload: c.Reload, ReloadTimeout: c.ReloadTimeout}}, nil
}

// Serve answers for the zones at Listen until it is closed.
func (c *ZoneFile) Serve(log *slog.Logger) (*zonefile.Server, error) {
	return zonefile.Serve(c.Dir, c.Listen, log)
}

// Inspect looks into the file of a zone.
func (c *ZoneFile) Inspect(zone string) zonefile.Inspection { return zonefile.Inspect(c.Dir, zone) }

// Owns reports whether dkimbot may change what stands at owner.
func (c *ZoneFile) Owns(zone, owner string) (bool, error) {
	return (&zonefile.Provider{Dir: c.Dir}).Owns(zone, owner)
}

// Outside says how a record comes to where dkimbot may change it.
func (c *ZoneFile) Outside() string {
	return "stands in its zone file outside of dkimbot's block, where dkimbot changes nothing: move it between the " +
		"lines that begin with \"; BEGIN dkimbot\" and \"; END dkimbot\" before it is to be replaced"
}

// zoneFiles publishes in zone files on this machine.
type zoneFiles struct{ module *zonefile.Provider }

func (z *zoneFiles) Cost(string) int { return 1 }

func (z *zoneFiles) Set(ctx context.Context, rec dkim.TXT) error {
	gives := func(value string) bool { return value == rec.Value || rec.Replaces(value) }
	if rec.Replaces == nil {
		gives = nil
	}
	_, err := z.module.Replace(ctx, rec.Zone+".", []libdns.Record{libdnsTXT(rec)}, gives, rec.Beside)
	return err
}
