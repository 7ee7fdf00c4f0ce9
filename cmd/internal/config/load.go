package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
)

// Load reads the configuration at path. When anything is wrong, the error is an
// Errors that holds everything that is wrong, and there is no configuration.
func Load(path string) (*Config, error) { return LoadWith(path, Builtin()) }

// LoadToWork is Load for work that is done also where the keystore's credentials can't be
// read now: they may have been taken away in an emergency. That is a warning then.
func LoadToWork(path string) (*Config, error) {
	var found node.Findings
	c, err := assemble(filepath.Clean(path), os.LookupEnv, Builtin(), &found)
	if err == nil {
		c.Warnings = found.Sorted(append(c.Warnings, found.Unread...))
	}
	return c, err
}

// LoadWith is Load with other drivers than those of this program.
func LoadWith(path string, drivers Drivers) (*Config, error) {
	return build(filepath.Clean(path), os.LookupEnv, drivers, &node.Findings{})
}

func build(path string, env node.Lookup, drivers Drivers, found *node.Findings) (*Config, error) {
	c, err := assemble(path, env, drivers, found)
	if len(found.Unread) > 0 {
		return nil, Errors(found.Sorted(append(found.Errs, found.Unread...)))
	}
	return c, err
}

func assemble(path string, env node.Lookup, drivers Drivers, found *node.Findings) (*Config, error) {
	c := &Config{index: map[string]int{}}
	if doc, root, ok := found.Open(path, env); ok {
		c.File = filepath.Join(doc.Dir, filepath.Base(path))
		if s, ok := root.Section(); ok {
			(&builder{Config: c, Findings: found, drivers: drivers, claims: map[string]string{},
				records: map[string]string{}, places: map[string]joined{}}).build(s)
		}
	}
	if len(found.Errs) > 0 {
		return nil, Errors(found.Sorted(found.Errs))
	}
	c.Warnings = found.Sorted(found.Warns)
	return c, nil
}

// include reads the further files that s names, each a list of domains.
func (b *builder) include(s *node.Section) {
	v, ok := s.Take("include")
	if !ok {
		return
	}
	patterns, at := v.Texts()
	for i, pattern := range patterns {
		full, ok := at[i].Absolute(pattern)
		if !ok {
			continue
		}
		files, err := filepath.Glob(full)
		switch {
		case err != nil:
			at[i].Fail(fmt.Sprintf("%q is not a file name pattern", pattern), "look for a [ that is not closed")
		case len(files) == 0 && !strings.ContainsAny(pattern, `*?[`):
			at[i].Fail(fmt.Sprintf("there is no file %s", full),
				"correct the name, or write a pattern such as domains.d/*.yaml if it may be missing")
		}
		for _, file := range files {
			if node.Hidden(full, file) {
				continue
			}
			if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
				at[i].Fail(file+" is not a regular file", "remove it, or write a pattern that leaves it out: domains.d/*.yaml")
				continue
			}
			b.includeFile(s.Doc, pattern, file)
		}
	}
}

func (b *builder) includeFile(from *node.Document, pattern, file string) {
	name := file
	if rel, err := filepath.Rel(from.Dir, file); err == nil && !filepath.IsAbs(pattern) {
		name = filepath.Join(filepath.Dir(from.Name), rel)
	}
	if slices.Contains(b.Files, name) {
		return // patterns may overlap
	}
	if _, root, ok := b.Open(name, from.Lookup); ok {
		b.domains(root)
	}
}
