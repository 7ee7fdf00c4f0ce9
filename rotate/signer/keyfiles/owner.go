package keyfiles

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Owner is a user and a group by number.
type Owner struct{ UID, GID int }

// OwnerOf returns who owns what info is about.
func OwnerOf(info fs.FileInfo) Owner {
	st := info.Sys().(*syscall.Stat_t)
	return Owner{int(st.Uid), int(st.Gid)}
}

// as is what the daemon's user is given.
func (o Owner) as(mode fs.FileMode) safefile.As {
	return safefile.As{Mode: mode, UID: o.UID, GID: o.GID}
}

// likelyOwner is whom keys are for when the configuration does not say.
func (s *Store) likelyOwner() Owner {
	if info, err := os.Stat(s.Path); err == nil {
		return OwnerOf(info)
	}
	if s.Likely != nil {
		return s.Likely()
	}
	return Owner{os.Geteuid(), os.Getegid()}
}

// For resolves Owner and Group; what is not given is that of the key directory, or what Likely says.
func (s *Store) For() (Owner, error) {
	o := s.likelyOwner()
	if s.Owner != "" {
		uid, err := strconv.Atoi(s.Owner)
		if u, e := user.Lookup(s.Owner); e == nil {
			uid, err = strconv.Atoi(u.Uid)
		}
		if err != nil {
			return Owner{}, fault.Lasting("use owner of signer "+s.Signer, fmt.Errorf("there is no user %q", s.Owner),
				"name the user that "+s.Program+" runs as")
		}
		o.UID = uid
	}
	if s.Group != "" {
		gid, err := strconv.Atoi(s.Group)
		if g, e := user.LookupGroup(s.Group); e == nil {
			gid, err = strconv.Atoi(g.Gid)
		}
		if err != nil {
			return Owner{}, fault.Lasting("use group of signer "+s.Signer, fmt.Errorf("there is no group %q", s.Group),
				"name the group that "+s.Program+" runs as")
		}
		o.GID = gid
	}
	return o, nil
}
