package keystore

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// TestFaults: what every keystore says in the same words.
func TestFaults(t *testing.T) {
	name := dkim.Name{Domain: "example.com", Selector: "s1"}
	for _, err := range []error{
		Conflict("store private key "+name.String(), 1, 3),
		Conflict("store private key "+name.String(), 1, -1),
		Check("read private key", dkim.Name{Domain: "../etc", Selector: "s1"}, 1, 0),
		Check("read private key "+name.String(), name, -1, 0),
	} {
		faulttest.Shown(t, err)
	}
	if err := Check("read private key", name, 0, 0); err != nil {
		t.Error(err)
	}
}
