package safefile

import (
	"os"
	"os/user"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// Others is users of the machine, beside root and the running user.
type Others struct {
	uids, gids []uint32
	all        bool
}

// Writers returns who can change an open file of d, or put another one in its place.
func (d *Dir) Writers(f *os.File) (Others, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return Others{}, failed("stat", f.Name(), err)
	}
	var o Others
	for _, e := range append(d.way[:len(d.way):len(d.way)], entry{f.Name(), st}) {
		o.add(d.trust, e.stat)
	}
	return o, nil
}

func (o *Others) add(t trust, st unix.Stat_t) {
	if !t.has(st.Uid) {
		o.uids = append(o.uids, st.Uid)
	}
	if st.Mode&unix.S_ISVTX != 0 && st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return // others can't touch what stands in it
	}
	o.all = o.all || st.Mode&0o002 != 0
	if st.Mode&0o020 != 0 && !ownGroup(st) {
		o.gids = append(o.gids, st.Gid)
	}
}

// With returns o and more together.
func (o Others) With(more Others) Others {
	return Others{slices.Concat(o.uids, more.uids), slices.Concat(o.gids, more.gids), o.all || more.all}
}

// OpenFor is Open on behalf of others, who named the file: what one of them can't read by himself is
// refused. writers are those who can change what was opened.
func OpenFor(o Others, path string, limit int64) (f *os.File, writers Others, err error) {
	f, d, err := open(path, limit)
	if err != nil {
		return nil, Others{}, err
	}
	defer d.Close()
	writers, err = d.Writers(f)
	if err == nil {
		err = o.read(d, f)
	}
	if err != nil {
		f.Close()
		return nil, Others{}, err
	}
	return f, writers, nil
}

// read refuses an open file of d that one of them can't read.
func (o Others) read(d *Dir, f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return failed("stat", f.Name(), err)
	}
	for _, e := range d.way {
		if who := o.lacks(e.stat, 0o1); who != "" {
			return refuse(f.Name(), "is in "+e.path+", which "+who+" can't pass, who can change the file that names it",
				lets(e.path, "x"))
		}
	}
	if who := o.lacks(st, 0o4); who != "" {
		return refuse(f.Name(), "can't be read by "+who+", who can change the file that names it", lets(f.Name(), "r"))
	}
	return nil
}

// lets says the way on. The command gives a right to everybody, and the path is the choice of who wrote
// the file that names it: it may be a secret.
func lets(path, right string) string {
	return "let only root and the user that runs dkimbot write the file that names it, or, " +
		"if everybody on this machine may know what it holds, run: chmod o+" + right + " " + path
}

// lacks names one of them who has not this right, as others have it in a mode; "" when all have it.
func (o Others) lacks(st unix.Stat_t, right uint32) string {
	has := func(mine bool) bool {
		if mine {
			return st.Mode&(right<<3) != 0
		}
		return st.Mode&right != 0
	}
	for _, uid := range o.uids { // an owner can give himself every right
		if uid != st.Uid && !has(slices.Contains(groupsOf(uid), st.Gid)) {
			return "user " + userName(uid)
		}
	}
	for _, gid := range o.gids {
		if !has(gid == st.Gid) {
			return "group " + groupName(gid)
		}
	}
	if o.all && !has(false) {
		return "every user"
	}
	return ""
}

func groupsOf(uid uint32) (gids []uint32) {
	u, err := user.LookupId(strconv.Itoa(int(uid)))
	if err != nil {
		return nil
	}
	ids, _ := u.GroupIds()
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			gids = append(gids, uint32(n))
		}
	}
	return gids
}
