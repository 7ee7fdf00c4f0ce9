package keyring_test

import (
	"context"
	"slices"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
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

// versions is a keystore with one selector: its versions from 1 on, and what can't be read as a key.
type versions struct {
	ports.Keystore
	keys       []*dkim.PrivateKey
	unreadable int
	silent     int
	destroyed  []int
}

func (v *versions) Get(_ context.Context, _ dkim.Name, version int) (*dkim.PrivateKey, int, error) {
	if version == 0 {
		version = len(v.keys)
	}
	switch version {
	case v.unreadable:
		return nil, 0, fault.Lasting("read it", nil, "see who wrote it")
	case v.silent:
		return nil, 0, fault.Temporary("read it", nil, "try again")
	}
	if slices.Contains(v.destroyed, version) {
		return nil, version, nil
	}
	return v.keys[version-1], version, nil
}

func (v *versions) Destroy(_ context.Context, _ dkim.Name, version int) error {
	v.destroyed = append(v.destroyed, version)
	return nil
}

// TestCopiesGo: with a key go its copies before and behind it, such as 'vault kv rollback' makes, and nothing
// else (I5, I6). Where one can't be asked about, it is no success.
func TestCopiesGo(t *testing.T) {
	var k [4]*dkim.PrivateKey
	for i := range k {
		key, err := dkim.Generate(dkim.Ed25519)
		if err != nil {
			t.Fatal(err)
		}
		k[i] = key
	}
	name := dkim.Name{Domain: "example.com", Selector: "s1"}
	for title, tt := range map[string]struct {
		keys               []*dkim.PrivateKey
		version            int
		unreadable, silent int
		destroyed          []int
		fails              bool
	}{
		"alone":                 {[]*dkim.PrivateKey{k[0], k[1]}, 1, 0, 0, []int{1}, false},
		"before":                {[]*dkim.PrivateKey{k[0], k[1], k[0], k[2]}, 3, 0, 0, []int{3, 1}, false},
		"behind, put back":      {[]*dkim.PrivateKey{k[0], k[1], k[3], k[1], k[2]}, 2, 0, 0, []int{2, 4}, false},
		"no key, left":          {[]*dkim.PrivateKey{k[0], k[1], k[2]}, 2, 1, 0, []int{2}, false},
		"one that is not heard": {[]*dkim.PrivateKey{k[0], k[1], k[2], k[3]}, 2, 0, 3, []int{2}, true},
		"the newest not heard":  {[]*dkim.PrivateKey{k[0], k[1], k[2], k[3]}, 2, 0, 4, []int{2}, true},
		"the newest no key":     {[]*dkim.PrivateKey{k[1], k[1], k[3]}, 2, 3, 0, []int{2, 1}, false},
	} {
		t.Run(title, func(t *testing.T) {
			v := &versions{keys: tt.keys, unreadable: tt.unreadable, silent: tt.silent}
			_, err := keyring.New(v).Discard(t.Context(), name,
				rotate.Retired{KeyID: tt.keys[tt.version-1].ID(), Version: tt.version})
			if (err != nil) != tt.fails || !slices.Equal(v.destroyed, tt.destroyed) {
				t.Errorf("%v; destroyed %d, want %d", err, v.destroyed, tt.destroyed)
			}
		})
	}
}
