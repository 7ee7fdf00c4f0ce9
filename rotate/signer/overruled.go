package signer

import (
	"errors"
	"fmt"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
)

// Counting returns the fault of domains for which lines of others count in the place of dkimbot's own, of n domains;
// nil for none.
func Counting(signer string, overruled map[string]string, n int) error {
	failed := map[string]error{}
	for domain, line := range overruled {
		failed[domain] = &fault.Error{Kind: fault.Permanent, Code: codes.ForeignSignerLine,
			What: fmt.Sprintf("let dkimbot's lines count for %s on signer %s", domain, signer),
			Err:  errors.New(line), Hint: finding.OverruledHint}
	}
	return Partial(failed, n)
}
