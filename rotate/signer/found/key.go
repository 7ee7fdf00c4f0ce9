package found

import (
	"errors"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Bits returns the size of the RSA key in a file, 0 where that can't be found out.
func (h Host) Bits(path string) int {
	if path == "" {
		return 0
	}
	text, err := h.Read(path)
	if err != nil {
		return 0
	}
	key, err := dkim.ParseForeignKey(text)
	var weak *dkim.WeakKeyError
	switch {
	case errors.As(err, &weak):
		return weak.Bits
	case err != nil:
		return 0
	}
	return key.Public().Bits()
}
