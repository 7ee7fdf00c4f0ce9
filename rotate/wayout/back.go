package wayout

import (
	"errors"
	"fmt"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/health"
)

// Back adds to the hint of a switch that did not show in a signer or in its mail that mail verifies still, and how
// to go back: where the signers come from a key that is good. A compromised one is revoked soon, or was, and no signer
// is to go back to it.
func Back(j *health.Judge, err error) error {
	f := (*fault.Error)(nil)
	if !errors.As(err, &f) || error(f) != err || j.Have.Phase != rotate.Switching || j.Have.Emergency() {
		return err
	}
	with := *f
	with.Hint += fmt.Sprintf("; the key at %s stays published: mail that is signed with it verifies, and "+
		"'dkimbot rollback --domain %s' goes back to it", j.Have.Active, j.Want.Name)
	return &with
}
