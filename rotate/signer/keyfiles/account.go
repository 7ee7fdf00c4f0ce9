package keyfiles

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

// Account is the daemon's user.
type Account struct {
	uid    int
	Name   string
	groups []string
}

// LookUp returns the user of that number.
func LookUp(uid int) Account {
	a := Account{uid: uid, Name: strconv.Itoa(uid)}
	if u, err := user.LookupId(a.Name); err == nil {
		a.Name = u.Username
		a.groups, _ = u.GroupIds()
	}
	return a
}

// Group returns the user's own group; ok is false where the user is not known.
func (a Account) Group() (gid int, ok bool) {
	u, err := user.LookupId(strconv.Itoa(a.uid))
	if err != nil {
		return 0, false
	}
	gid, err = strconv.Atoi(u.Gid)
	return gid, err == nil
}

// Enters reports whether the user is let into a directory of that mode and owner.
func (a Account) Enters(mode fs.FileMode, o Owner) bool { return a.may(0o1, mode, o) }

// unsafe returns what is wrong with a directory, or "": the questions that OpenDKIM asks with RequireSafeKeys
// (dkimf_checkfsnode in opendkim.c), and good ones for any daemon.
func (a Account) unsafe(mode fs.FileMode, o Owner) string {
	mine := o.UID == a.uid
	switch {
	case !mode.IsDir():
		return "is not a directory"
	case mode&0o002 != 0:
		return "can be written to by everybody"
	case mode&0o200 != 0 && o.UID != 0 && !mine:
		return "belongs to user " + LookUp(o.UID).Name
	case mode&0o020 != 0:
		if other := othersInGroup(o.GID, a); other != "" {
			return fmt.Sprintf("can be written to by group %s, to which %s belongs", GroupName(o.GID), other)
		}
	}
	if !a.Enters(mode, o) {
		return fmt.Sprintf("can't be entered by %s", a.Name)
	}
	return ""
}

// GroupName returns the name of a group, or its number where it has none.
func GroupName(gid int) string {
	if g, err := user.LookupGroupId(strconv.Itoa(gid)); err == nil {
		return g.Name
	}
	return strconv.Itoa(gid)
}

// may reports whether the mode lets the user read (4), write (2) or enter (1).
func (a Account) may(bits, mode fs.FileMode, o Owner) bool {
	switch {
	case a.uid == 0:
		return true
	case o.UID == a.uid:
		bits <<= 6
	case slices.Contains(a.groups, strconv.Itoa(o.GID)):
		bits <<= 3
	}
	return mode&bits == bits
}

// CheckReads checks that the user of a program can read a table, so that the program does: the directories on the way
// and the file, if it is there. effect says what comes of it when it can't.
func (a Account) CheckReads(p Place, program, effect string) error {
	refuse := func(path, problem, hint string) error {
		return &fault.Error{Kind: fault.Refused, Code: codes.UnreadableTable, What: "use table " + p.Full(),
			Err:  fmt.Errorf("%s can't be %s by %s's user %q, so that %s", path, problem, program, a.Name, effect),
			Hint: hint + "; where " + program + " runs as another user, name it as owner"}
	}
	for _, d := range append(parents(p.Path()), p.Path()) {
		info, err := os.Stat(d)
		if err != nil {
			return err
		}
		if !a.may(0o1, info.Mode(), OwnerOf(info)) {
			hint := a.letIn(d, "x", OwnerOf(info).GID)
			if d != p.Path() && !a.in(OwnerOf(info).GID) { // it is not the table's: its owner and group may matter to others
				hint = "run: chmod o+x " + d
			}
			return refuse(d, "entered", hint)
		}
	}
	info, ok, err := p.There()
	if err == nil && ok && !a.may(0o4, info.Mode, Owner{info.UID, info.GID}) {
		return refuse(p.Full(), "read", a.letIn(p.Full(), "r", info.GID))
	}
	return err
}

// in reports whether the user is in a group.
func (a Account) in(gid int) bool { return slices.Contains(a.groups, strconv.Itoa(gid)) }

// letIn says how the user, and nobody else who is not meant, gets a right to a file or directory of that group: what
// stands there may hold private keys or passwords (I9).
func (a Account) letIn(path, right string, gid int) string {
	own, known := a.Group()
	switch {
	case a.in(gid):
		return fmt.Sprintf("run: chmod g+%s %s", right, path)
	case known && othersInGroup(own, a) == "":
		return fmt.Sprintf("run: chgrp %s %s && chmod g+%s %[2]s", GroupName(own), path, right)
	}
	return fmt.Sprintf("run: chown %s %s && chmod u+%s %[2]s", a.Name, path, right)
}

// checkSafe checks the existing directories from the root to the key directory.
func (s *Store) checkSafe(uid int) error {
	real, err := existing(s.Path)
	if err != nil {
		return err
	}
	daemon := LookUp(uid)
	for _, d := range append(parents(real), real) {
		info, err := os.Stat(d)
		if err != nil {
			return err
		}
		if problem := daemon.unsafe(info.Mode(), OwnerOf(info)); problem != "" {
			return &fault.Error{Kind: fault.Refused, Code: codes.UnsafeKeyDir, What: "use key_dir " + s.Path,
				Err: fmt.Errorf("%s %s", d, problem),
				Hint: fmt.Sprintf("%s: its user %q must be able to reach the keys, "+
					"and only that user and root to write above them%s; correct %s (mode %v) or choose another key_dir",
					s.Trouble, daemon.Name, s.Rule, d, info.Mode())}
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

// othersInGroup names a member of the group that is neither a nor root.
func othersInGroup(gid int, a Account) string {
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
			if m = strings.TrimSpace(m); m != "" && m != a.Name && m != "root" {
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
