package file

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// An entry is the file of one version. Its first line says whose key it is, so
// that a file that came from elsewhere is not taken for a key of ours. OpenSSL and
// the signers skip such a line before the PEM block.

var (
	errForeign = errors.New("dkimbot did not write it for this name and version, or it was cut short")
	errDamaged = errors.New("its key can't be read or is not the one that was stored")
)

// keyLine begins the entry of a key.
func keyLine(name dkim.Name, version int) string {
	return fmt.Sprintf("# dkimbot private key: %s version %d id ", name, version)
}

// formatKey returns the entry that holds key. It is secret.
func formatKey(name dkim.Name, version int, key *dkim.PrivateKey) []byte {
	return append([]byte(keyLine(name, version)+key.ID()+"\n"), key.PEM()...)
}

// formatDestroyed returns the entry that stands in a destroyed version's place.
func formatDestroyed(name dkim.Name, version int) []byte {
	return fmt.Appendf(nil, "# dkimbot destroyed key: %s version %d\n", name, version)
}

// parseEntry reads an entry. A destroyed version has no key and no error. Blank lines follow where the key was
// overwritten in place; anything else there is of a key that was being destroyed when the machine stopped (I7).
func parseEntry(data []byte, name dkim.Name, version int) (*dkim.PrivateKey, error) {
	if rest, ok := bytes.CutPrefix(data, formatDestroyed(name, version)); ok {
		if len(bytes.Trim(rest, "\n")) > 0 {
			return nil, errDamaged
		}
		return nil, nil
	}
	id, ok := bytes.CutPrefix(data, []byte(keyLine(name, version)))
	if !ok {
		return nil, errForeign
	}
	key, err := dkim.ParsePrivateKey(data)
	if err != nil || !bytes.HasPrefix(id, []byte(key.ID()+"\n")) {
		return nil, errDamaged
	}
	return key, nil
}

// fileName returns the name of a version's file.
func fileName(version int) string { return strconv.Itoa(version) + ".pem" }

// parseFileName returns the version whose file has this name; other files are not ours.
func parseFileName(s string) (int, bool) {
	digits, ok := strings.CutSuffix(s, ".pem")
	v, err := strconv.Atoi(digits)
	return v, ok && err == nil && v > 0 && fileName(v) == s
}
