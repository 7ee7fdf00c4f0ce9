package keyfiles

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// The names of a key's files say which key it is. Where another program has written another key into one, the program
// that reads it signs with that one under the selector of the first, and mail fails (I2). This file finds and describes
// that.

func heldKey(id string) string {
	if id == "" {
		return "no key"
	}
	return "another key (" + dkim.ShortID(id) + ")"
}

// Altered says, for people, that a key file which has its name from this Store holds another key than the name says, or
// that it holds none; "" where it is as it should be, is missing, or has another name.
func (s *Store) Altered(domain, selector, path string) string {
	id := s.IDIn(domain, selector, path)
	if id == "" {
		return ""
	}
	data, err := ReadKey(path)
	if held := KeyIDIn(data); err == nil && !strings.HasPrefix(held, id) {
		return s.Wrong(dkim.Name{Domain: domain, Selector: selector}, path, held)
	}
	return ""
}

// IDIn returns how the id of the key begins that a file which has its name from this Store was written for, "" for
// another file.
func (s *Store) IDIn(domain, selector, path string) string {
	id, ours := strings.CutPrefix(filepath.Base(path), selector+"-")
	if !ours || !strings.HasSuffix(id, ending) || filepath.Dir(path) != filepath.Join(s.Path, domain) {
		return ""
	}
	id, _, _ = strings.Cut(id, ".") // another name has more behind it
	return id
}

// Keeps returns why the file at path does not hold a key just before its program is started with it; nil where it does.
// It is read byte for byte, so that many cost little.
func (s *Store) Keeps(what, path string, key dkim.SigningKey) error {
	data, err := ReadKey(path)
	if err == nil && s.holds(data, s.text(key.Key), key.Ref().KeyID) {
		return nil
	}
	says := s.Wrong(key.Name, path, KeyIDIn(data))
	return fault.Temporary(what, errors.New(says), again)
}

// Wrong says that a file of the key of this name holds another one, or none where heldID is "".
func (s *Store) Wrong(n dkim.Name, path, heldID string) string {
	effect := "is signed with that one and fails"
	if heldID == "" {
		effect = "can't be signed"
	}
	return fmt.Sprintf("the key file %s of %s holds %s: mail of %s %s as soon as %s reads it", path, n.Selector,
		heldKey(heldID), n.Domain, effect, s.Program)
}

// Changed is the fault of what is not there when it is read again after it was written: it names the key's
// file at path where that is the cause, and says otherwise else.
func (s *Store) Changed(what string, n dkim.Name, path, otherwise string) error {
	says := cmp.Or(s.Altered(n.Domain, n.Selector, path), otherwise)
	return fault.Temporary(what, errors.New(says), again)
}

const again = "see whether another program writes there, and keep it from that; the next try writes dkimbot's lines and " +
	"key again"
