package opendkim

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// With RequireSafeKeys, OpenDKIM turns mail away (451) when anybody but its own
// user and root could write to a directory above a key file. This file asks the
// same questions beforehand (dkimf_checkfsnode in opendkim.c).

// checkSafe checks the existing directories from the root to dir for a daemon
// that runs as uid.
func checkSafe(dir string, uid int) error {
	real, err := existing(dir)
	if err != nil {
		return err
	}
	daemon := lookUpUser(uid)
	for _, d := range append(parents(real), real) {
		info, err := os.Stat(d)
		if err != nil {
			return err
		}
		if problem := daemon.unsafe(info.Mode(), ownerOf(info)); problem != "" {
			return &fault.Error{Kind: fault.Refused, Code: codes.UnsafeKeyDir, What: "use key_dir " + dir,
				Err: fmt.Errorf("%s %s", d, problem),
				Hint: fmt.Sprintf("OpenDKIM would turn mail away: its user %q must be able to reach the keys, "+
					"and nobody but it and root to write above them (RequireSafeKeys); correct %s (mode %v) or choose another key_dir",
					daemon.name, d, info.Mode())}
		}
	}
	return nil
}

// existing resolves the longest part of dir that exists.
func existing(dir string) (string, error) {
	for {
		real, err := filepath.EvalSymlinks(dir)
		if !errors.Is(err, fs.ErrNotExist) || dir == filepath.Dir(dir) {
			return real, err
		}
		dir = filepath.Dir(dir)
	}
}

func parents(dir string) []string {
	var up []string
	for d := dir; d != filepath.Dir(d); {
		d = filepath.Dir(d)
		up = append(up, d)
	}
	slices.Reverse(up)
	return up
}

// account is the daemon's user.
type account struct {
	uid    int
	name   string
	groups []string
}

func lookUpUser(uid int) account {
	a := account{uid: uid, name: strconv.Itoa(uid)}
	if u, err := user.LookupId(a.name); err == nil {
		a.name = u.Username
		a.groups, _ = u.GroupIds()
	}
	return a
}

// unsafe returns what is wrong with a directory, or "".
func (a account) unsafe(mode fs.FileMode, o owner) string {
	mine := o.uid == a.uid
	switch {
	case !mode.IsDir():
		return "is not a directory"
	case mode&0o002 != 0:
		return "can be written to by everybody"
	case mode&0o200 != 0 && o.uid != 0 && !mine:
		return fmt.Sprintf("belongs to user %d", o.uid)
	case mode&0o020 != 0:
		if other := othersInGroup(o.gid, a); other != "" {
			return fmt.Sprintf("can be written to by group %d, to which %s belongs", o.gid, other)
		}
	}
	if !a.may(0o1, mode, o) {
		return fmt.Sprintf("can't be entered by %s", a.name)
	}
	return ""
}

// may reports whether the mode lets the user read (4), write (2) or enter (1).
func (a account) may(bits, mode fs.FileMode, o owner) bool {
	switch {
	case a.uid == 0:
		return true
	case o.uid == a.uid:
		bits <<= 6
	case slices.Contains(a.groups, strconv.Itoa(o.gid)):
		bits <<= 3
	}
	return mode&bits == bits
}

// checkReadable checks that the daemon can read both tables, as its user: it reads them so
// at each reload, and one that can't be read leaves the old ones in force.
func (b *batch) checkReadable() error {
	o, err := b.keyOwner()
	if err != nil {
		return err
	}
	if !b.cfg.AllowUnsafeKeys {
		if err := checkSafe(b.cfg.KeyDir, o.uid); err != nil {
			return withKind("use key_dir "+b.cfg.KeyDir, err, b.Signer)
		}
	}
	daemon := lookUpUser(o.uid)
	for _, p := range []place{b.key, b.sign} {
		if err := daemon.checkReads(p); err != nil {
			return withKind("use table "+p.path(), err, b.Signer)
		}
	}
	return nil
}

// checkReads looks at the directories on the way and at the file, if it is there.
func (a account) checkReads(p place) error {
	refuse := func(path, problem, hint string) error {
		return &fault.Error{Kind: fault.Refused, Code: codes.UnreadableTable, What: "use table " + p.path(),
			Err:  fmt.Errorf("%s can't be %s by OpenDKIM's user %q, so that a reload changes nothing", path, problem, a.name),
			Hint: hint + "; where OpenDKIM runs as another user, name it as owner"}
	}
	for _, d := range append(parents(p.Path()), p.Path()) {
		info, err := os.Stat(d)
		if err != nil {
			return err
		}
		if !a.may(0o1, info.Mode(), ownerOf(info)) {
			return refuse(d, "entered", "run: chmod o+x "+d)
		}
	}
	info, ok, err := p.there()
	if err == nil && ok && !a.may(0o4, info.Mode, owner{info.UID, info.GID}) {
		return refuse(p.path(), "read", "run: chmod o+r "+p.path())
	}
	return err
}

// othersInGroup names a member of the group that is neither a nor root.
func othersInGroup(gid int, a account) string {
	id := strconv.Itoa(gid)
	for f := range lines("/etc/passwd", 4) {
		if f[3] == id && f[2] != "0" && f[2] != strconv.Itoa(a.uid) {
			return f[0]
		}
	}
	for f := range lines("/etc/group", 4) {
		if f[2] != id {
			continue
		}
		for m := range strings.SplitSeq(f[3], ",") {
			if m = strings.TrimSpace(m); m != "" && m != a.name && m != "root" {
				return m
			}
		}
	}
	return ""
}

// lines yields the colon-separated fields of an account file.
func lines(path string, fields int) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		f, err := os.Open(path)
		if err != nil {
			return
		}
		defer f.Close()
		for sc := bufio.NewScanner(f); sc.Scan(); {
			if parts := strings.Split(sc.Text(), ":"); len(parts) >= fields && !yield(parts) {
				return
			}
		}
	}
}
