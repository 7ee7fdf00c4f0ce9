package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
)

// claimFile reports a file or directory that two signers would work in, by whatever names the
// configuration calls it, and a path that OpenDKIM would read differently.
func (b *builder) claimFile(v node.Value, path string) {
	if path == "" {
		return
	}
	if strings.ContainsAny(path, " \t\r\n\v\f#%\x00") {
		v.Fail(fmt.Sprintf("is %s; OpenDKIM can't use a path with white space, # or %%", path), "choose a path without them")
		return
	}
	real := realPath(path)
	things := []string{real}
	if info, err := os.Stat(real); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok { // a hard link, or a directory mounted twice
			things = append(things, fmt.Sprintf("file %d of device %d", st.Ino, st.Dev))
		}
	}
	for _, thing := range things {
		if first, used := b.claims[thing]; used {
			v.Fail(fmt.Sprintf("path %s is used by %s already%s", path, first, really(path, real)), "give each its own")
			return
		}
	}
	for _, thing := range things {
		b.claims[thing] = v.Path
	}
}

func really(path, real string) string {
	if path == real {
		return ""
	}
	return "; it is " + real
}

// realPath follows the symbolic links on the way, as far as what they lead to exists.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if up := filepath.Dir(path); up != path {
		return filepath.Join(realPath(up), filepath.Base(path))
	}
	return path
}

// claimMilter reports one daemon under two signer names: each would undo what the other does.
func (b *builder) claimMilter(v node.Value, milter string) {
	if milter == "" {
		return
	}
	thing := strings.Replace(milter, "inet:localhost:", "inet:127.0.0.1:", 1)
	if path, ok := strings.CutPrefix(milter, "unix:"); ok {
		thing = "unix:" + realPath(path)
	}
	if first, used := b.claims[thing]; used {
		v.Fail(fmt.Sprintf("the OpenDKIM at %s is that of %s already", milter, first), "one OpenDKIM is one signer: list it once")
		return
	}
	b.claims[thing] = v.Path
}
