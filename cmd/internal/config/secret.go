package config

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Secret is a handle on a password, token or key. Printing, logging, comparing
// or marshalling it shows where it comes from, never what it is (I9); Read is
// the one way to it. The zero Secret stands for none.
type Secret struct {
	origin string
	read   func() (string, error) // a closure, so that no reflection finds the secret
}

// IsSet reports whether there is a secret.
func (s Secret) IsSet() bool { return s.read != nil }

// Read fetches the secret from where it is now; for a file it reads the file
// anew, so that a rotated secret is found. The error is a lasting fault.
func (s Secret) Read() (string, error) {
	if s.read == nil {
		return "", fault.Lasting("read a secret", errors.New("none is configured"), "name it in the configuration, by _file or _env")
	}
	return s.read()
}

// String tells where the secret comes from.
func (s Secret) String() string {
	if s.read == nil {
		return "no secret"
	}
	return "secret from " + s.origin
}

// GoString tells where the secret comes from.
func (s Secret) GoString() string { return s.String() }

// Format tells where the secret comes from, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue tells where the secret comes from.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText tells where the secret comes from.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Equal reports whether both come from the same place.
func (s Secret) Equal(o Secret) bool { return s.String() == o.String() }

// secret returns the secret that is given by exactly one of key_file, key_env and
// key, after reading it once. When none of them stands, the secret comes from the
// environment variable fallback, if that is not empty.
func (s *section) secret(key, fallback string) Secret {
	ways := []string{key + "_file", key + "_env", key}
	var found Secret
	var first string
	for i, way := range ways {
		v, ok := s.take(way)
		switch {
		case !s.has(way):
			continue
		case first != "":
			s.doc.fail(s.keys[way].Line, s.join(way), "stands besides "+first, "give the secret in one way only")
			continue
		}
		first = way
		if !ok {
			continue
		}
		found = [](func(value) Secret){value.secretFile, value.secretEnv, value.secretInline}[i](v)
		v.check(found)
	}
	if first == "" && fallback != "" {
		if t, _ := s.doc.env.lookup(fallback); t != "" {
			return s.doc.env.secret(fallback)
		}
	}
	return found
}

// needSecret is secret for one that must be there.
func (s *section) needSecret(key, fallback string) Secret {
	found := s.secret(key, fallback)
	if !found.IsSet() && !s.has(key+"_file", key+"_env", key) {
		remedy := fmt.Sprintf("give %s_file or %s_env", key, key)
		if fallback != "" {
			remedy += ", or set " + fallback
		}
		s.doc.fail(s.line, s.join(key+"_file"), "is missing", remedy)
	}
	return found
}

// check reads the secret and reports why that fails.
func (v value) check(s Secret) {
	if !s.IsSet() {
		return
	}
	if _, err := s.Read(); err != nil {
		v.fail(err.Error(), fault.HintOf(err))
	}
}

func (v value) secretFile() Secret {
	t, ok := v.text()
	if !ok {
		return Secret{}
	}
	if dir, _ := v.doc.env.lookup("CREDENTIALS_DIRECTORY"); dir != "" && filepath.IsLocal(t) {
		// systemd.exec(5): LoadCredential= puts secrets there for this service alone.
		if p := filepath.Join(dir, t); exists(p) {
			return fileSecret(p)
		}
	}
	p, ok := v.absolute(t)
	if !ok {
		return Secret{}
	}
	return fileSecret(p)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

var variableForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (v value) secretEnv() Secret {
	name, ok := v.text()
	if !ok {
		return Secret{}
	}
	if !variableForm.MatchString(name) {
		// Not shown: it may be the secret itself, in the wrong place.
		v.fail("is not the name of an environment variable", "write its name, not its value: letters, digits and _")
		return Secret{}
	}
	return v.doc.env.secret(name)
}

func (v value) secretInline() Secret {
	t, ok := v.text()
	if !ok {
		return Secret{}
	}
	if !v.doc.private {
		name := v.path[strings.LastIndexByte(v.path, '.')+1:]
		v.fail("a secret stands in a file that others can read", fmt.Sprintf("use %s_file, or run: chmod 0600 %s", name, v.doc.name))
		return Secret{}
	}
	return Secret{"the configuration file", func() (string, error) { return t, nil }}
}

func (e environment) secret(name string) Secret {
	return Secret{"environment variable " + name, func() (string, error) {
		t, _ := e.lookup(name)
		if t = strings.TrimRight(t, "\r\n"); t == "" {
			return "", fault.Lasting("read environment variable "+name, errors.New("it is not set, or empty"), "set it for the process that runs dkimbot")
		}
		return t, nil
	}}
}

func fileSecret(path string) Secret {
	return Secret{"file " + path, func() (string, error) { return readSecret(path) }}
}

const secretForm = "name a file that can be read and holds nothing but the secret"

// maxSecret is far above any token; what is larger is some other file.
const maxSecret = 64 << 10

// readSecret reads a file that others must not be able to read.
func readSecret(path string) (string, error) {
	what := "read secret file " + path
	f, err := safefile.Open(path, maxSecret)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fault.Lasting(what, errors.New("there is no such file"), "create it, mode 0600, with nothing but the secret in it")
	case errors.Is(err, fs.ErrPermission):
		return "", fault.Lasting(what, errors.New("permission denied"), "let the user that runs dkimbot own it: chown USER "+path)
	case err != nil:
		return "", fault.Lasting(what, cause(err), secretForm)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", fault.Lasting(what, cause(err), secretForm)
	case info.Mode().Perm()&0o007 != 0:
		return "", fault.Lasting(what, fmt.Errorf("others may use it (mode %04o)", info.Mode().Perm()), "run: chmod o= "+path+", and renew the secret if others use this machine")
	}
	data, err := safefile.ReadAll(f, maxSecret)
	if err != nil {
		return "", fault.Lasting(what, cause(err), secretForm)
	}
	text := strings.TrimRight(string(data), "\r\n")
	if text == "" {
		return "", fault.Lasting(what, errors.New("it is empty"), "write the secret into it")
	}
	return text, nil
}

// cause strips the path that the message around it names already.
func cause(err error) error {
	if r := (*safefile.Refused)(nil); errors.As(err, &r) {
		return errors.New("it " + r.Found)
	}
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
