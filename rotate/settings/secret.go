package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
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
// again, so that a rotated secret is found. The error is a lasting fault.
func (s Secret) Read() (string, error) {
	if s.read == nil {
		return "", fault.Lasting(
			"read a secret",
			errors.New("none is configured"),
			"name it in the configuration, by _file or _env",
		)
	}
	return s.read()
}

// String says where the secret comes from.
func (s Secret) String() string {
	if s.read == nil {
		return "no secret"
	}
	return "secret from " + s.origin
}

// GoString says where the secret comes from.
func (s Secret) GoString() string { return s.String() }

// Format says where the secret comes from, whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue says where the secret comes from.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText says where the secret comes from.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Equal reports whether both come from the same place.
func (s Secret) Equal(o Secret) bool { return s.String() == o.String() }

// Inline returns the secret that stands in the configuration file itself.
func Inline(text string) Secret {
	return Secret{"the configuration file", func() (string, error) { return text, nil }}
}

// FromVariable returns the secret in the environment variable, which lookup finds
// as os.LookupEnv does.
func FromVariable(name string, lookup func(string) (string, bool)) Secret {
	return Secret{"environment variable " + name, func() (string, error) {
		t, _ := lookup(name)
		if t = strings.TrimRight(t, "\r\n"); t == "" {
			return "", fault.Lasting(
				"read environment variable "+name,
				errors.New("it is not set, or empty"),
				"set it for the process that runs dkimbot",
			)
		}
		return t, nil
	}}
}

// FromFile returns the secret that stands alone in the file.
func FromFile(path string) Secret {
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
		return "", fault.Lasting(
			what,
			errors.New("there is no such file"),
			"create it, mode 0600, with nothing but the secret in it",
		)
	case errors.Is(err, fs.ErrPermission):
		return "", fault.Lasting(
			what,
			errors.New("permission denied"),
			"let the user that runs dkimbot own it: chown USER "+path,
		)
	case err != nil:
		return "", fault.Lasting(what, safefile.Cause(err), secretForm)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", fault.Lasting(what, safefile.Cause(err), secretForm)
	case info.Mode().Perm()&0o007 != 0:
		return "", fault.Lasting(
			what,
			fmt.Errorf("others may use it (mode %04o)", info.Mode().Perm()),
			"run: chmod o= "+path+", and renew the secret if others use this machine",
		)
	}
	data, err := safefile.ReadAll(f, maxSecret)
	if err != nil {
		return "", fault.Lasting(what, safefile.Cause(err), secretForm)
	}
	text := strings.TrimRight(string(data), "\r\n")
	if text == "" {
		return "", fault.Lasting(what, errors.New("it is empty"), "write the secret into it")
	}
	return text, nil
}
