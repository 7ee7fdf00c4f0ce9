package found

import (
	"path/filepath"
	"slices"
	"strings"
)

// Mail systems in containers are found by their folders on the host. Only directories in which nobody but root
// usually writes are looked at: the commands that are shown are for root.
var composeDirs = []string{"/opt", "/srv", "/root"}

// Composed returns the paths of a name that stand below the directories or in a directory of theirs.
func (h Host) Composed(name string) (out []string) {
	for _, dir := range composeDirs {
		for _, pattern := range []string{h.At(dir), h.At(dir) + "/*"} {
			found, _ := filepath.Glob(filepath.Join(pattern, name)) // the pattern is right
			for _, path := range found {
				path = filepath.Clean("/" + strings.TrimPrefix(path, filepath.Clean(h.Root)))
				if plainPath.MatchString(path) && !slices.Contains(out, path) {
					out = append(out, path)
				}
			}
		}
	}
	return out
}
