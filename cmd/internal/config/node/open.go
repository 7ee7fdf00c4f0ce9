package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Open reads one file of the configuration.
func (f *Findings) Open(path string, env Lookup) (*Document, Value, bool) {
	doc := &Document{Findings: f, Lookup: env, Name: path}
	f.Files = append(f.Files, path)
	abs, err := filepath.Abs(path)
	if err != nil {
		doc.Fail(1, "", safefile.Cause(err).Error(), "give the file's whole path")
		return doc, Value{}, false
	}
	doc.path, doc.Dir = abs, filepath.Dir(abs)
	data, ok := doc.read(path)
	if !ok {
		return doc, Value{}, false
	}
	root, ok := doc.Parse(data)
	return doc, root, ok
}

// Hidden reports whether a pattern comes to a file by a name with a dot in front that the pattern does not spell out.
// As with a shell, that is none of its files: editors put locks and copies there.
func Hidden(pattern, file string) bool {
	parts := strings.Split(pattern, "/")
	for i, name := range strings.Split(file, "/") {
		if strings.HasPrefix(name, ".") && i < len(parts) && !strings.HasPrefix(parts[i], ".") {
			return true
		}
	}
	return false
}

// maxFile is room for a hundred thousand domains in one file.
const maxFile = 64 << 20

func (d *Document) read(path string) ([]byte, bool) {
	f, err := safefile.OpenTrusted(path, maxFile)
	if err == nil {
		defer f.Close()
		var data []byte
		if data, err = d.content(f); err == nil {
			return data, true
		}
	}
	problem, remedy := safefile.Cause(err).Error(), "give the path of a file that can be read"
	switch r := (*safefile.Refused)(nil); {
	case errors.As(err, &r):
		problem, remedy = d.refusal(r)
	case errors.Is(err, fs.ErrNotExist) && len(d.Files) > 1: // a pattern found its name
		problem, remedy = "is a link to a file that does not exist, or was removed just now",
			"remove the link, or run the command again"
	case errors.Is(err, fs.ErrNotExist):
		problem = "there is no such file"
		remedy = "name the configuration with --config or DKIMBOT_CONFIG; " +
			"examples/quickstart/dkimbot.yaml is one to start from"
	case errors.Is(err, fs.ErrPermission):
		problem, remedy = "permission denied", "run as a user who may read it, or give that user the right"
	}
	d.Fail(1, "", problem, remedy)
	return nil, false
}

func (d *Document) content(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	d.private = info.Mode().Perm()&0o077 == 0
	return safefile.ReadAll(f, maxFile)
}

// refusal says what is wrong with the file, or with a directory on the way to it. Whoever
// can write them says which commands run.
func (d *Document) refusal(r *safefile.Refused) (problem, remedy string) {
	if abs, err := filepath.Abs(r.Path); err == nil && abs == d.path {
		return r.Found, r.Remedy
	}
	return r.Error(), r.Remedy
}
