package keystore_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/dkimbot/dkimbot/keystore"
	"github.com/dkimbot/dkimbot/keystore/file"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

var errKilled = errors.New("killed")

// dying is a keystore that does left operations that change something, and then no more.
type dying struct {
	keystore.Keystore
	left int
}

func (d *dying) Put(ctx context.Context, name dkim.Name, key *dkim.PrivateKey, after int) (int, error) {
	if d.left--; d.left < 0 {
		return 0, errKilled
	}
	return d.Keystore.Put(ctx, name, key, after)
}

func (d *dying) Destroy(ctx context.Context, name dkim.Name, version int) error {
	if d.left--; d.left < 0 {
		return errKilled
	}
	return d.Keystore.Destroy(ctx, name, version)
}

func directory(t *testing.T) keystore.Keystore {
	t.Helper()
	s, err := file.Open(filepath.Join(t.TempDir(), "keys"), func() (bool, error) { return false, nil })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCopy: a key comes under the number that it has, whatever came before it, and a copy that was ended at any
// point is completed by the next one (I4, I7).
func TestCopy(t *testing.T) {
	name := dkim.Name{Domain: "example.com", Selector: "s1"}
	old, _ := dkim.Generate(dkim.Ed25519)
	next, _ := dkim.Generate(dkim.Ed25519)
	for steps := range 8 {
		to := directory(t)
		interrupted := &dying{to, steps}
		if _, err := keystore.Copy(t.Context(), interrupted, name, 3, old); (err != nil) != (steps < 5) {
			t.Errorf("after %d steps: %v", steps, err)
		}
		for range 2 {
			for version, key := range map[int]*dkim.PrivateKey{3: old} {
				if _, err := keystore.Copy(t.Context(), to, name, version, key); err != nil {
					t.Fatal(err)
				}
			}
		}
		if wrote, err := keystore.Copy(t.Context(), to, name, 4, next); !wrote || err != nil {
			t.Errorf("the next key: %v, %v", wrote, err)
		}
		for version, want := range map[int]*dkim.PrivateKey{3: old, 4: next} {
			if got, v, err := to.Get(t.Context(), name, version); err != nil || v != version || got.ID() != want.ID() {
				t.Errorf("version %d after %d steps: %v, %d, %v", version, steps, got, v, err)
			}
		}
	}
}

// TestCopyOverOthers: a keystore that another dkimbot uses is not written to (I6).
func TestCopyOverOthers(t *testing.T) {
	name := dkim.Name{Domain: "example.com", Selector: "s1"}
	mine, _ := dkim.Generate(dkim.Ed25519)
	theirs, _ := dkim.Generate(dkim.Ed25519)
	to := directory(t)
	for after := range 2 {
		if _, err := to.Put(t.Context(), name, theirs, after); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Destroy(t.Context(), name, 1); err != nil {
		t.Fatal(err)
	}
	for version := 1; version <= 2; version++ {
		wrote, err := keystore.Copy(t.Context(), to, name, version, mine)
		faulttest.Shown(t, err)
		if wrote || fault.CodeOf(err) != codes.ForeignSecret {
			t.Errorf("version %d: %v, %v", version, wrote, err)
		}
	}
}
