package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// environment is what Load asks of the process that it runs in.
type environment struct {
	lookup func(string) (string, bool) // os.LookupEnv
}

// Locate returns the path of the configuration: flag if it is not empty, else
// what DKIMBOT_CONFIG says, else DefaultPath.
func Locate(flag string) string {
	if flag != "" {
		return flag
	}
	if p := os.Getenv(PathVariable); p != "" {
		return p
	}
	return DefaultPath
}

// Load reads the configuration at path. When anything is wrong, the error is an
// Errors that holds everything that is wrong, and there is no configuration.
func Load(path string) (*Config, error) {
	return load(path, environment{os.LookupEnv})
}

func load(path string, env environment) (*Config, error) {
	return build(filepath.Clean(path), env, &findings{})
}

func build(path string, env environment, found *findings) (*Config, error) {
	c := &Config{index: map[string]int{}}
	if doc, root, ok := found.open(path, env); ok {
		c.File = filepath.Join(doc.dir, filepath.Base(path))
		if s, ok := root.section(); ok {
			(&builder{Config: c, findings: found, claims: map[string]string{}, records: map[string]string{}}).build(s)
		}
	}
	if len(found.errs) > 0 {
		return nil, Errors(found.sorted(found.errs))
	}
	c.Warnings = found.sorted(found.warns)
	return c, nil
}

// open reads one file of the configuration.
func (f *findings) open(path string, env environment) (*document, value, bool) {
	doc := &document{findings: f, env: env, name: path}
	f.files = append(f.files, path)
	abs, err := filepath.Abs(path)
	if err != nil {
		doc.fail(1, "", cause(err).Error(), "give the file's whole path")
		return doc, value{}, false
	}
	doc.path, doc.dir = abs, filepath.Dir(abs)
	data, ok := doc.read(path)
	if !ok {
		return doc, value{}, false
	}
	root, ok := doc.parse(data)
	return doc, root, ok
}

// maxFile is room for a hundred thousand domains in one file.
const maxFile = 64 << 20

func (d *document) read(path string) ([]byte, bool) {
	f, err := safefile.OpenTrusted(path, maxFile)
	if err == nil {
		defer f.Close()
		var data []byte
		if data, err = d.content(f); err == nil {
			return data, true
		}
	}
	problem, remedy := cause(err).Error(), "give the path of a file that can be read"
	switch r := (*safefile.Refused)(nil); {
	case errors.As(err, &r):
		problem, remedy = d.refusal(r)
	case errors.Is(err, fs.ErrNotExist):
		problem = "there is no such file"
		remedy = "name the configuration with --config or " + PathVariable + "; examples/quickstart/dkimbot.yaml is one to start from"
	case errors.Is(err, fs.ErrPermission):
		problem, remedy = "permission denied", "run as a user who may read it, or give that user the right"
	}
	d.fail(1, "", problem, remedy)
	return nil, false
}

func (d *document) content(f *os.File) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	d.private = info.Mode().Perm()&0o077 == 0
	return safefile.ReadAll(f, maxFile)
}

// refusal says what is wrong with the file, or with a directory on the way to it. Whoever
// can write them says which commands run.
func (d *document) refusal(r *safefile.Refused) (problem, remedy string) {
	if abs, err := filepath.Abs(r.Path); err == nil && abs == d.path {
		return r.Found, r.Remedy
	}
	return r.Error(), r.Remedy
}

// include reads the further files that s names, each a list of domains.
func (b *builder) include(s *section) {
	v, ok := s.take("include")
	if !ok {
		return
	}
	patterns, at := v.texts()
	for i, pattern := range patterns {
		full, ok := at[i].absolute(pattern)
		if !ok {
			continue
		}
		files, err := filepath.Glob(full)
		switch {
		case err != nil:
			at[i].fail(fmt.Sprintf("%q is not a file name pattern", pattern), "look for a [ that is not closed")
		case len(files) == 0 && !strings.ContainsAny(pattern, `*?[`):
			at[i].fail(fmt.Sprintf("there is no file %s", full), "correct the name, or write a pattern such as domains.d/*.yaml if it may be missing")
		}
		for _, file := range files {
			if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
				at[i].fail(file+" is not a regular file", "remove it, or write a pattern that leaves it out: domains.d/*.yaml")
				continue
			}
			b.includeFile(s.doc, pattern, file)
		}
	}
}

func (b *builder) includeFile(from *document, pattern, file string) {
	name := file
	if rel, err := filepath.Rel(from.dir, file); err == nil && !filepath.IsAbs(pattern) {
		name = filepath.Join(filepath.Dir(from.name), rel)
	}
	if slices.Contains(b.files, name) {
		return // patterns may overlap
	}
	if _, root, ok := b.open(name, from.env); ok {
		b.domains(root)
	}
}
