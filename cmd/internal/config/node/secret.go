package node

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Secret returns the secret that is given by exactly one of key_file, key_env and
// key, after reading it once. When none of them stands, the secret comes from the
// environment variable fallback, if that is not empty.
func (s *Section) Secret(key, fallback string) settings.Secret {
	ways := []string{key + "_file", key + "_env", key}
	var found settings.Secret
	var first string
	for i, way := range ways {
		v, ok := s.Take(way)
		switch {
		case !s.Has(way):
			continue
		case first != "":
			s.Doc.Fail(s.keys[way].Line, s.Join(way), "stands besides "+first, "give the secret in one way only")
			continue
		}
		first = way
		if !ok {
			continue
		}
		found = [](func(Value) settings.Secret){Value.secretFile, Value.secretEnv, Value.secretInline}[i](v)
		if err := unreadable(found); err != nil {
			list := &s.Doc.Errs
			if s.awaits {
				list = &s.Doc.Unread
			}
			s.Doc.add(list, Error{s.Doc.Name, max(v.Line(), 1), v.Path, err.Error(), fault.HintOf(err)})
		}
	}
	if first == "" && fallback != "" {
		if t, _ := s.Doc.Lookup(fallback); t != "" {
			return settings.FromVariable(fallback, s.Doc.Lookup)
		}
	}
	return found
}

// unreadable reads the secret, if there is one, and returns why that fails.
func unreadable(s settings.Secret) error {
	if !s.IsSet() {
		return nil
	}
	_, err := s.Read()
	return err
}

func (v Value) secretFile() settings.Secret {
	t, ok := v.Text()
	if !ok {
		return settings.Secret{}
	}
	if dir, _ := v.Doc.Lookup("CREDENTIALS_DIRECTORY"); dir != "" && filepath.IsLocal(t) {
		// systemd.exec(5): LoadCredential= puts secrets there for this service alone.
		if p := filepath.Join(dir, t); exists(p) {
			return settings.FromFile(p)
		}
	}
	p, ok := v.Absolute(t)
	if !ok {
		return settings.Secret{}
	}
	return settings.FromFile(p)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

var variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (v Value) secretEnv() settings.Secret {
	name, ok := v.Text()
	if !ok {
		return settings.Secret{}
	}
	if !variableForm.MatchString(name) {
		// Not shown: it may be the secret itself, in the wrong place.
		v.Fail("is not the name of an environment variable", "write its name, not its value: letters, digits and _")
		return settings.Secret{}
	}
	return settings.FromVariable(name, v.Doc.Lookup)
}

func (v Value) secretInline() settings.Secret {
	t, ok := v.Text()
	if !ok {
		return settings.Secret{}
	}
	if !v.Doc.private {
		name := v.Path[strings.LastIndexByte(v.Path, '.')+1:]
		v.Fail("a secret stands in a file that others can read",
			fmt.Sprintf("use %s_file, or run: chmod 0600 %s", name, v.Doc.Name))
		return settings.Secret{}
	}
	return settings.Inline(t)
}
