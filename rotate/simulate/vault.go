package simulate

import (
	"fmt"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// vault is the keystore: for each name a sequence of versions.
type vault struct {
	part
	mu    sync.Mutex // reads mark what they read, side by side
	slots map[dkim.Name]*slot

	right   map[dkim.Name]*slot   // while the keystore is not the right one: what that holds
	swapped time.Time             // when another one last took its place
	backups []map[dkim.Name]*slot // the oldest first
}

type slot struct {
	versions []secret
	put      int // so many keys were stored
}

type secret struct {
	key     *dkim.PrivateKey // nil: destroyed
	foreign bool             // not dkimbot's
	read    bool             // it was read back (I4)
}

func newVault() *vault {
	return &vault{part: part{name: "the keystore"}, slots: map[dkim.Name]*slot{}}
}

func (v *vault) slot(name dkim.Name) *slot {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.slots[name]
	if s == nil {
		s = &slot{}
		v.slots[name] = s
	}
	return s
}

func (v *vault) get(name dkim.Name, version int, now time.Time) (*dkim.PrivateKey, int, error) {
	if !v.up(now) {
		return nil, 0, unable(fmt.Sprintf("read the key of %s", name), "the keystore is sealed")
	}
	s := v.slot(name)
	v.mu.Lock()
	defer v.mu.Unlock()
	if version == 0 {
		version = len(s.versions)
	}
	if version == 0 || version > len(s.versions) {
		return nil, 0, nil
	}
	secret := &s.versions[version-1]
	secret.read = true
	return secret.key, version, nil
}

// put stores a key if nobody else wrote since.
func (v *vault) put(name dkim.Name, key *dkim.PrivateKey, after int) (int, error) {
	s := v.slot(name)
	if len(s.versions) != after {
		return 0, unable(fmt.Sprintf("store a key at %s", name),
			fmt.Sprintf("check-and-set: the newest version is %d, not %d", len(s.versions), after))
	}
	s.versions = append(s.versions, secret{key: key})
	return after + 1, nil
}

func (v *vault) destroy(name dkim.Name, version int) {
	if s := v.slot(name); version >= 1 && version <= len(s.versions) {
		v.destroyRight(name, s.versions[version-1].key.ID())
		s.versions[version-1] = secret{}
	}
}

func (v *vault) idOf(name dkim.Name, version int) string {
	if s := v.slot(name); version >= 1 && version <= len(s.versions) {
		return s.versions[version-1].key.ID()
	}
	return ""
}

// holds reports whether a key is kept at the name, and whether it was read back.
func (v *vault) holds(name dkim.Name, keyID string) (kept, read bool) {
	for _, s := range v.slot(name).versions {
		if s.key != nil && s.key.ID() == keyID {
			return true, s.read
		}
	}
	return false, false
}

// live returns how many keys are kept at the name.
func (v *vault) live(name dkim.Name) int {
	n := 0
	for _, s := range v.slot(name).versions {
		if s.key != nil {
			n++
		}
	}
	return n
}
