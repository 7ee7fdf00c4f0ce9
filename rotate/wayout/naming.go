package wayout

import (
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Naming names an effect for people.
func Naming(at dkim.Name, i rotate.Intent) string {
	what := string(i.Kind) + " " + at.String()
	if i.Signer != "" {
		what += " on signer " + strings.Join(append([]string{i.Signer}, i.Beside...), ", ")
	}
	return what
}
