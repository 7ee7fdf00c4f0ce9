package finding_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/finding"
)

// TestRevokedByOthers: where the state was lost, the key that a revoked record is of may lie in the keystore still: the
// hint does not lead to its being published again, where a signer that does not answer may use it (I12).
func TestRevokedByOthers(t *testing.T) {
	const destroy = "if that was key 0123456789ab, which the keystore holds for s1._domainkey.example.com, destroy it there"
	for _, kept := range []string{"", "0123456789ab"} {
		for _, silent := range []bool{false, true} {
			hint := finding.RevokedByOthers("s1._domainkey.example.com", kept, silent)
			if strings.Contains(hint, destroy) != (kept != "" && silent) ||
				!strings.Contains(hint, "remove it, and dkimbot publishes its own") {
				t.Errorf("key %q in the keystore, a silent signer %t: %s", kept, silent, hint)
			}
		}
	}
}
