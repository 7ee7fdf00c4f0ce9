package settings

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Claim is a thing that can serve only one: two that write one file, or listen at one address,
// would undo each other's work.
type Claim struct {
	Things []string                 // the names by which the thing is known
	Taken  func(by string) *Problem // what to say when it serves the one at the path by already
}

// Take returns nil and notes in taken that the thing serves the one at path, or returns the
// problem that it serves another already.
func (c *Claim) Take(path string, taken map[string]string) *Problem {
	for _, thing := range c.Things {
		if by, ok := taken[thing]; ok {
			return c.Taken(by)
		}
	}
	for _, thing := range c.Things {
		taken[thing] = path
	}
	return nil
}

// Own returns the claim of a thing that has one name only; nil for "".
func Own(what, thing string) *Claim {
	if thing == "" {
		return nil
	}
	return &Claim{[]string{thing}, func(by string) *Problem {
		return Wrong(fmt.Sprintf("%s %s is used by %s already", what, thing, by), "give each its own")
	}}
}

// OwnFile returns the claim of a file or directory, by whatever names the configuration calls it; nil for "".
func OwnFile(path string) *Claim {
	if path == "" {
		return nil
	}
	real, also := RealPath(path), ""
	if path != real {
		also = "; it is " + real
	}
	c := &Claim{Things: []string{real}, Taken: func(by string) *Problem {
		return Wrong(fmt.Sprintf("path %s is used by %s already%s", path, by, also), "give each its own")
	}}
	if info, err := os.Stat(real); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok { // a hard link, or a directory mounted twice
			c.Things = append(c.Things, fmt.Sprintf("file %d of device %d", st.Ino, st.Dev))
		}
	}
	return c
}

// RealPath follows the symbolic links on the way, as far as what they lead to exists.
func RealPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if up := filepath.Dir(path); up != path {
		return filepath.Join(RealPath(up), filepath.Base(path))
	}
	return path
}
