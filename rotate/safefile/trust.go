package safefile

import (
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// trust is the users who may put things where dkimbot works: root, the running user,
// and those a caller names.
type trust []uint32

func trustFor(also []int) trust {
	t := trust{0, uint32(os.Geteuid())}
	for _, uid := range also {
		t = append(t, uint32(uid))
	}
	return t
}

func (t trust) has(uid uint32) bool { return slices.Contains(t, uid) }

// planted says who else could have put a link into a directory, or "". In a sticky
// directory each user's entries are safe from all but the directory's owner.
func (t trust) planted(dir, link unix.Stat_t) string {
	switch {
	case !t.has(dir.Uid):
		return fmt.Sprintf("user %s owns its directory", userName(dir.Uid))
	case dir.Mode&unix.S_ISVTX != 0 && !t.has(link.Uid):
		return fmt.Sprintf("user %s put it there", userName(link.Uid))
	case dir.Mode&unix.S_ISVTX == 0 && t.writable(dir) != "":
		return "others can write in its directory"
	}
	return ""
}

// Check reports what lets another user exchange an entry of d: a directory on the way to it, or
// d itself, that belongs to somebody who is not trusted or that others can write. A
// sticky directory such as /tmp is safe to pass. Users named also are trusted.
func (d *Dir) Check(also ...int) error {
	t := append(slices.Clone(d.trust), trustFor(also)...)
	for _, e := range d.way {
		if e.stat.Mode&unix.S_ISVTX != 0 && t.has(e.stat.Uid) {
			continue
		}
		if err := t.check(e); err != nil {
			return err
		}
	}
	return nil
}

// CheckFile reports what lets another user change the open file's content: its owner or its mode.
func (d *Dir) CheckFile(f *os.File, also ...int) error {
	e := entry{path: f.Name()}
	if err := unix.Fstat(int(f.Fd()), &e.stat); err != nil {
		return failed("stat", f.Name(), err)
	}
	return append(slices.Clone(d.trust), trustFor(also)...).check(e)
}

// CheckEntry reports what lets another user change a file of d, or that it is no regular file. It
// does not open it. Its word lasts where Check has none.
func (d *Dir) CheckEntry(name string) error {
	st, err := d.lstat(name)
	if err != nil {
		return err
	}
	if info := infoOf(st); !info.Mode.IsRegular() {
		return notRegular(d.at(name), info.Mode)
	}
	return d.trust.check(entry{d.at(name), st})
}

func (t trust) check(e entry) error {
	if !t.has(e.stat.Uid) {
		return refuse(e.path, fmt.Sprintf("belongs to user %s, who could replace what is in it", userName(e.stat.Uid)),
			fmt.Sprintf("run dkimbot as that user, or run: chown %s %s", userName(uint32(os.Geteuid())), e.path))
	}
	if who := t.writable(e.stat); who != "" {
		return refuse(e.path, fmt.Sprintf("can be written by %s (mode %04o)", who, e.stat.Mode&0o7777),
			"run: chmod go-w "+e.path)
	}
	return nil
}

// writable says who else can write, or "". Group write is refused, except where an
// ordinary user's own group of one is meant, as a umask of 002 makes it, or as Kubernetes mounts a volume
// (fsGroup).
func (t trust) writable(st unix.Stat_t) string {
	switch {
	case st.Mode&0o002 != 0:
		return "everybody"
	case st.Mode&0o020 != 0 && !ownGroup(st):
		return "group " + groupName(st.Gid)
	}
	return ""
}

// ownGroup reports whether what the running user or root owns has a group that is the user's alone: one with
// the user's name and number, no other member in /etc/group, and nobody else's in /etc/passwd. Root has none.
func ownGroup(st unix.Stat_t) bool {
	uid := uint32(os.Geteuid())
	if uid == 0 || st.Uid != uid && st.Uid != 0 {
		return false
	}
	u, err := user.LookupId(strconv.Itoa(int(uid)))
	if err != nil || u.Gid != strconv.Itoa(int(st.Gid)) {
		return false
	}
	members, found := groupMembers(u.Username, u.Gid)
	return found && !primaryOfOthers(u.Username, u.Gid) &&
		!slices.ContainsFunc(members, func(m string) bool { return m != u.Username })
}

// groupMembers returns the further members of the group with this name and number.
func groupMembers(name, gid string) (members []string, found bool) {
	text, err := Read("/etc/group", 16<<20)
	if err != nil {
		return nil, false
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) == 4 && f[0] == name && f[2] == gid {
			return strings.FieldsFunc(f[3], func(r rune) bool { return r == ',' || r == ' ' }), true
		}
	}
	return nil, false
}

// primaryOfOthers reports whether the group is another user's primary one, or whether
// that can't be found out.
func primaryOfOthers(name, gid string) bool {
	text, err := Read("/etc/passwd", 16<<20)
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) == 7 && f[3] == gid && f[0] != name {
			return true
		}
	}
	return false
}

func userName(uid uint32) string {
	id := strconv.Itoa(int(uid))
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return id
}

func groupName(gid uint32) string {
	id := strconv.Itoa(int(gid))
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}
