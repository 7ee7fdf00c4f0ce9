// Package moved tests adapters whose configuration names other tables than those that dkimbot wrote before.
//
// It is for tests only. It may import the leaves, rotate/fault/faulttest and rotate/signer/signertest.
package moved

import (
	"context"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// Signer is an adapter with the other tables.
type Signer interface {
	signertest.Signer
	signertest.Forgetter
	Screen(ctx context.Context, next []dkim.SigningKey) (each map[string]error, whichever error)
}

// Refused requires that an adapter, whose program may still sign with a key by the tables from before, refuses all that
// would come from other tables: the next key, that it does not sign, and that the key is forgotten.
func Refused(t *testing.T, s Signer, signs, next dkim.SigningKey, words ...string) {
	t.Helper()
	activated := s.Activate(t.Context(), []dkim.SigningKey{next})
	_, screened := s.Screen(t.Context(), []dkim.SigningKey{next})
	_, active := s.Active(t.Context(), []string{signs.Domain})
	forgotten := s.Forget(t.Context(), []dkim.Ref{signs.Ref()})
	for did, err := range map[string]error{"Activate": activated, "Screen": screened, "Active": active, "Forget": forgotten} {
		if faulttest.ShownFor(t, err, 1); fault.CodeOf(err) != codes.MovedTable {
			t.Errorf("%s: %v", did, err)
		}
		for _, w := range words {
			if err != nil && !strings.Contains(err.Error()+" / "+fault.HintOf(err), w) {
				t.Errorf("%s: %v; want it to hold %q", did, err, w)
			}
		}
	}
}
