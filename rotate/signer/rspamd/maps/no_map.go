package maps

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// isMap refuses a file that is none of rspamd's maps, such as its configuration, a zone file, or dkimbot's own
// configuration: a path that is mistyped, and whatever reads that file would be broken by lines of dkimbot's.
func isMap(path string, data []byte) error {
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text := strings.Trim(string(line), blank)
		if text == "" || text[0] == '#' {
			continue
		}
		key, value := text, ""
		if at := strings.IndexAny(text, blank); at > 0 {
			key, value = text[:at], strings.TrimLeft(text[at:], blank)
		}
		if strings.ContainsAny(key, "{}[]()$;:=<>") || strings.HasPrefix(value, "=") || strings.HasPrefix(value, "{") {
			return fault.Refuse(codes.NoMap,
				fmt.Sprintf("use map %s: line %d is no line of a map: %s", path, n, dkim.Brief([]string{text})),
				"name the map in dkimbot's configuration that rspamd's dkim_signing.conf names; if it is that one, take the line out")
		}
	}
	return nil
}
