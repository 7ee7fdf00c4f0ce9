package keyring_test

import (
	"context"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/keyring"
	"github.com/dkimbot/dkimbot/rotate/ports"
)

// empty is a keystore that holds nothing.
type empty struct{ ports.Keystore }

func (empty) Get(context.Context, dkim.Name, int) (*dkim.PrivateKey, int, error) { return nil, 0, nil }

// TestLostKey: a key that went missing after the plan was made is an error that a person can act on.
func TestLostKey(t *testing.T) {
	name := dkim.Name{Domain: "example.com", Selector: "s1"}
	key, version, err := keyring.New(empty{}).Private(t.Context(), name, "some key", 3)
	if key != nil || version != 3 || fault.KindOf(err) != fault.Permanent {
		t.Errorf("a missing key: %v, version %d, %v", key, version, err)
	}
	faulttest.Shown(t, err)
}
