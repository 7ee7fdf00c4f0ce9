package keyring_test

import (
	"context"
	"slices"
	"testing"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
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
	deleted    int
	stuck      int // can't be destroyed
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
	case v.deleted:
		return nil, 0, &fault.Error{Kind: fault.Permanent, Code: codes.DeletedSecret, What: "read it"}
	}
	if version > len(v.keys) {
		return nil, 0, nil
	}
	if slices.Contains(v.destroyed, version) {
		return nil, version, nil
	}
	return v.keys[version-1], version, nil
}

func (v *versions) Destroy(_ context.Context, _ dkim.Name, version int) error {
	if version == v.stuck {
		return fault.Temporary("destroy it", nil, "try again")
	}
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
		"the newest":            {[]*dkim.PrivateKey{k[0], k[1], k[0], k[0]}, 1, 0, 0, []int{1, 4, 3}, false},
		"behind, newest no key": {[]*dkim.PrivateKey{k[0], k[0], k[3]}, 1, 3, 0, []int{1, 2}, false},
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

// refusing shows its first version, and then refuses for good to show any.
type refusing struct {
	versions
	t     *testing.T
	asked int
}

func (r *refusing) Get(ctx context.Context, name dkim.Name, version int) (*dkim.PrivateKey, int, error) {
	if r.asked++; r.asked > 100 {
		r.t.Fatal("it was asked a hundred times")
	}
	if version == 1 {
		return r.versions.Get(ctx, name, version)
	}
	return nil, 0, fault.Lasting("read it", nil, "give the right to read")
}

// TestCopiesAreAskedForInVain: a keystore that refuses to show whatever stands behind a key is not asked for ever (I5).
func TestCopiesAreAskedForInVain(t *testing.T) {
	key, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	r := &refusing{t: t, versions: versions{keys: []*dkim.PrivateKey{key}}}
	_, err = keyring.New(r).Discard(t.Context(), dkim.Name{Domain: "example.com", Selector: "s1"},
		rotate.Retired{KeyID: key.ID(), Version: 1})
	if err != nil || !slices.Equal(r.destroyed, []int{1}) {
		t.Errorf("%v; destroyed %d", err, r.destroyed)
	}
}

// TestDiscard: a replaced key is destroyed where it stands, also one that was deleted and could come back, and not where
// another key has its number; copies are looked for until three versions in a row before it are gone (I5). What can't
// be asked about, or destroyed, is no success.
func TestDiscard(t *testing.T) {
	var k [3]*dkim.PrivateKey
	for i := range k {
		key, err := dkim.Generate(dkim.Ed25519)
		if err != nil {
			t.Fatal(err)
		}
		k[i] = key
	}
	old, other, newest := k[0], k[1], k[2]
	for title, tt := range map[string]struct {
		store     versions
		version   int
		code      codes.Code
		destroyed []int
		fails     bool
	}{
		"there":                {versions{keys: k[:]}, 1, "", []int{1}, false},
		"not heard":            {versions{keys: k[:], silent: 1}, 1, "", nil, true},
		"deleted":              {versions{keys: k[:], deleted: 1}, 1, "", []int{1}, false},
		"not destroyed":        {versions{keys: k[:], stuck: 1}, 1, "", nil, true},
		"destroyed already":    {versions{keys: k[:], destroyed: []int{1}}, 1, "", []int{1}, false},
		"there is none at all": {versions{}, 1, codes.GoneAlready, nil, false},
		"another one stands":   {versions{keys: []*dkim.PrivateKey{other, newest}}, 1, codes.GoneAlready, nil, false},
		"a copy is not destroyed": {versions{keys: []*dkim.PrivateKey{old, old, newest}, stuck: 1}, 2, "", []int{2},
			true},
		"two are gone before it": {versions{keys: []*dkim.PrivateKey{old, other, other, old, newest},
			destroyed: []int{2, 3}}, 4, "", []int{2, 3, 4, 1}, false},
		"three are gone before it": {versions{keys: []*dkim.PrivateKey{old, other, other, other, old, newest},
			destroyed: []int{2, 3, 4}}, 5, "", []int{2, 3, 4, 5}, false},
		"three are gone behind it": {versions{keys: []*dkim.PrivateKey{old, old, other, other, other, newest},
			destroyed: []int{3, 4, 5}}, 1, "", []int{3, 4, 5, 1, 2}, false},
	} {
		t.Run(title, func(t *testing.T) {
			code, err := keyring.New(&tt.store).Discard(t.Context(), dkim.Name{Domain: "example.com", Selector: "s1"},
				rotate.Retired{KeyID: old.ID(), Version: tt.version})
			if code != tt.code || (err != nil) != tt.fails || !slices.Equal(tt.store.destroyed, tt.destroyed) {
				t.Errorf("%q, %v; destroyed %d, want %q, %d", code, err, tt.store.destroyed, tt.code, tt.destroyed)
			}
		})
	}
}

// dns is what DNS shows of a key.
type dns struct {
	key       *dkim.PrivateKey
	unchecked bool
}

func (d dns) Look(context.Context, dkim.Name) (rotate.Sight, error) {
	if d.key == nil {
		return rotate.Sight{Complete: true, Unchecked: d.unchecked}, nil
	}
	return rotate.Sight{Values: []string{dkim.NewRecord(d.key.Public(), "").String()}, Complete: true}, nil
}

// TestOlderKeysAreNamed: an adoption of what the keystore holds names every other key that it holds, so that none stays
// there for good (I5). What DNS may show is not among them, nor what is no key of dkimbot's (I6).
func TestOlderKeysAreNamed(t *testing.T) {
	var k [6]*dkim.PrivateKey
	for i := range k {
		key, err := dkim.Generate(dkim.Ed25519)
		if err != nil {
			t.Fatal(err)
		}
		k[i] = key
	}
	for title, tt := range map[string]struct {
		keys     []*dkim.PrivateKey
		shows    dns
		change   func(*versions)
		versions []int
		fails    bool
	}{
		"the newest is shown":   {k[:3], dns{key: k[2]}, func(*versions) {}, []int{2, 1}, false},
		"one before is shown":   {k[:3], dns{key: k[1]}, func(*versions) {}, []int{1}, false},
		"nothing is shown":      {k[:2], dns{}, func(*versions) {}, []int{1}, false},
		"DNS was not asked":     {k[:3], dns{unchecked: true}, func(*versions) {}, nil, false},
		"copies":                {[]*dkim.PrivateKey{k[2], k[0], k[0], k[2]}, dns{key: k[2]}, func(*versions) {}, []int{3}, false},
		"a copy of the newest":  {[]*dkim.PrivateKey{k[2], k[0], k[2]}, dns{key: k[0]}, func(*versions) {}, nil, false},
		"between destroyed":     {k[:6], dns{key: k[5]}, func(v *versions) { v.destroyed = []int{5, 3, 2} }, []int{4, 1}, false},
		"destroyed":             {k[:3], dns{key: k[2]}, func(v *versions) { v.destroyed = []int{2} }, []int{1}, false},
		"no key, left":          {k[:3], dns{key: k[2]}, func(v *versions) { v.unreadable = 1 }, []int{2}, false},
		"one that is not heard": {k[:3], dns{key: k[2]}, func(v *versions) { v.silent = 1 }, nil, true},
		"behind many destroyed": {k[:6], dns{key: k[5]}, func(v *versions) { v.destroyed = []int{2, 3, 4} }, []int{5}, false},
	} {
		t.Run(title, func(t *testing.T) {
			v := &versions{keys: tt.keys, unreadable: -1, silent: -1, deleted: -1}
			tt.change(v)
			a, err := keyring.InKeystore(t.Context(), v, tt.shows, "example.com", []string{"s1"})
			var found []int
			for _, r := range a.Older["s1"] {
				found = append(found, r.Version)
				if r.KeyID != tt.keys[r.Version-1].ID() || !r.Dropped || !r.Older {
					t.Errorf("%+v", r)
				}
			}
			if (err != nil) != tt.fails || !slices.Equal(found, tt.versions) {
				t.Errorf("%v; versions %d, want %d", err, found, tt.versions)
			}
		})
	}
}
