package opendkim

import (
	"context"

	"github.com/dkimbot/dkimbot/rotate/signer/found"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim/onhost"
)

// Find finds OpenDKIM on a host.
func (c *Config) Find(_ context.Context, h found.Host) []found.Signer {
	return onhost.Find(h, ReadTables)
}
