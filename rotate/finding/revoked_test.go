package finding_test

import (
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/finding"
)

// TestRevokedByOthers: where the state was lost, the key that a revoked record is of may lie in the keystore still: the
// hint does not lead to its being published again (I12).
func TestRevokedByOthers(t *testing.T) {
	const destroy = "if that was key 0123456789ab, which the keystore holds for s1._domainkey.example.com, destroy it there"
	for kept, warns := range map[string]bool{"": false, "0123456789ab": true} {
		hint := finding.RevokedByOthers("s1._domainkey.example.com", kept)
		if strings.Contains(hint, destroy) != warns || !strings.Contains(hint, "remove it, and dkimbot publishes its own") {
			t.Errorf("key %q in the keystore: %s", kept, hint)
		}
	}
}
