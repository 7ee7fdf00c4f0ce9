package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

var errNotServed = errors.New("the agent's configuration does not list this domain")

// mostVersions is how many versions of a secret are looked at for a key: the newest one is it but for odd moments.
const mostVersions = 8

// Key reads the private key that is wanted, and no other one.
func Key(ctx context.Context, keys Keys, want dkim.Ref) (*dkim.PrivateKey, error) {
	key, newest, err := keys.Get(ctx, want.Name, 0)
	for version := newest; err == nil; {
		if key != nil && key.ID() == want.KeyID {
			return key, nil
		}
		if version--; version < 1 || version <= newest-mostVersions {
			return nil, fault.Temporary("read the private key "+want.Name.String(),
				fmt.Errorf("none of the newest versions holds the key %.8s that is wanted", want.KeyID),
				"see whether coordinator and agent use the same Vault, mount and prefix")
		}
		key, _, err = keys.Get(ctx, want.Name, version)
	}
	return nil, err
}

// errorFor picks a domain's own error out of a batch that failed in part.
func errorFor(err error, domain string) error {
	var part interface{ FailedDomains() map[string]error }
	if errors.As(err, &part) {
		return part.FailedDomains()[domain]
	}
	return err
}
