package keyfiles

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Held is what a file of the key directory holds.
type Held struct {
	KeyID    string // "" for no key
	Modified time.Time
	Fits     bool // the file can get the owner and mode that it needs
}

// Holds returns what stands at a name in the key directory; there is false when nothing does.
func (d *Dir) Holds(name string) (h Held, there bool, err error) {
	f, err := d.Open(name, maxKey)
	if errors.Is(err, fs.ErrNotExist) {
		return Held{}, false, nil
	}
	if err != nil {
		return Held{}, true, d.store.Fault("read key file "+d.full(name), err)
	}
	defer f.Close()
	h, err = d.held(f)
	return h, true, err
}

func (d *Dir) held(f *os.File) (h Held, err error) {
	info, err := f.Stat()
	var data []byte
	if err == nil {
		data, err = safefile.ReadAll(f, maxKey)
	}
	if err != nil {
		return h, d.store.Fault("read key file "+f.Name(), err)
	}
	return Held{KeyID: KeyIDIn(data), Modified: info.ModTime(), Fits: d.store.mayGive(f, d.owner) == nil}, nil
}

// PublicIn returns the public half of the key that a file's text is, zero for none. A weak key has one, too: a program
// may sign with it, though dkimbot does not.
func PublicIn(data []byte) dkim.PublicKey {
	key, err := dkim.ParseForeignKey(data)
	if weak := (*dkim.WeakKeyError)(nil); errors.As(err, &weak) {
		return weak.Public
	}
	return key.Public()
}

// ReadPublic returns the public half of the key in a file, as PublicIn does. A file that is missing is an error.
func ReadPublic(path string) (dkim.PublicKey, error) {
	data, err := ReadKey(path)
	return PublicIn(data), err
}

// PublicAt returns the public half of the key in a file that the program is to read: zero, too, where there is no such
// file, since the program can't sign with it.
func (s *Store) PublicAt(path string) (dkim.PublicKey, error) {
	key, err := ReadPublic(path)
	if errors.Is(err, fs.ErrNotExist) {
		return dkim.PublicKey{}, nil
	}
	if err != nil {
		return dkim.PublicKey{}, s.Fault("read key file "+path, err)
	}
	return key, nil
}

// KeyIDIn returns the id of the key that a file's text is, "" for none.
func KeyIDIn(data []byte) string { return PublicIn(data).ID() }

// PutNamed replaces the file of this name by the text of a key, in one instant, with that time of change. may says
// whether the key that stands there may go; where it holds the key already only owner and mode are corrected.
func (d *Dir) PutNamed(name string, key dkim.SigningKey, text []byte, modified time.Time,
	may func(keyID string) bool) error {
	file := Place{d.Dir, name}
	f, err := d.Open(name, maxKey)
	switch {
	case err == nil:
		defer f.Close()
		had, err := d.held(f)
		switch {
		case err != nil:
			return err
		case had.KeyID == key.Key.ID():
			return d.give(f)
		case !may(had.KeyID):
			return d.Foreign(name)
		}
	case !errors.Is(err, fs.ErrNotExist):
		return d.store.Fault("read key file "+file.Full(), err)
	}
	if err := d.store.write(file, text, d.owner.as(0o600), modified); err != nil {
		return d.store.Fault("write key file "+file.Full(), err)
	}
	return nil
}

// asideMark parts a name from what follows it where a file was put aside.
const asideMark = ".aside-"

// Asides returns the names of what PutAside has put aside, and what a crash has kept it from putting in place, by the
// name that they are beside.
func (d *Dir) Asides() (map[string][]string, error) {
	entries, err := d.Entries()
	if err != nil {
		return nil, d.store.Fault("read key_dir "+d.Path(), err)
	}
	out := map[string][]string{}
	for _, e := range entries {
		if name, _, is := strings.Cut(e.Name(), asideMark); is {
			out[name] = append(out[name], e.Name())
		}
	}
	return out, nil
}

// PutAside is PutNamed whatever stands there: that gets another name beside, and is not changed otherwise. Who calls it
// knows that no mail is signed with it. The program's user can so not keep a key from its place.
func (d *Dir) PutAside(name string, key dkim.SigningKey, text []byte, modified time.Time) error {
	other := name + asideMark + strings.ToLower(rand.Text()[:12])
	if err := d.store.write(Place{d.Dir, other}, text, d.owner.as(0o600), modified); err != nil {
		return d.store.Fault("write key file "+d.full(other), err)
	}
	if err := d.Exchange(other, name); err != nil {
		return d.store.Fault("write key file "+d.full(name), err)
	}
	return nil
}

// Foreign is the fault of a key file that dkimbot did not write, where it is to write one.
func (d *Dir) Foreign(name string) error {
	return &fault.Error{Kind: fault.Refused, Code: codes.ForeignKeyFile, What: "write key file " + d.full(name),
		Err: errors.New("a key that dkimbot did not write stands there"),
		Hint: fmt.Sprintf("see whether mail is signed with it; where nothing uses it, run: mv %[1]s %[1]s.old",
			d.full(name))}
}

// RemoveNamed removes the file of this name if it holds that key. What is not a regular file holds none.
func (d *Dir) RemoveNamed(name, keyID string) error {
	had, there, err := d.Holds(name)
	if safefile.IsRefused(err) || err == nil && (!there || had.KeyID != keyID) {
		return nil // not the key's
	}
	if err != nil {
		return err
	}
	if err := d.Remove(name); err != nil {
		return d.store.Fault("remove key file "+d.full(name), err)
	}
	return nil
}

// Tidy removes unfinished copies that a crash has left of files with names that PutNamed was given. No other process
// may be writing here.
func (d *Dir) Tidy(ending string) error {
	entries, err := d.Entries()
	if err != nil {
		return d.store.Fault("tidy key_dir "+d.Path(), err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") && strings.Contains(e.Name(), ending+".new-") && e.Type().IsRegular() {
			if err := d.Remove(e.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return d.store.Fault("tidy key_dir "+d.Path(), err)
			}
		}
	}
	return nil
}
