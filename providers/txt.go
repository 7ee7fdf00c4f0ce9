package providers

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/libdns/libdns"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// acceptable returns an error unless every driver carries rec as it is.
func acceptable(rec dkim.TXT) error {
	for _, name := range []string{rec.Zone, rec.Owner} {
		if n, err := dkim.ParseDomain(name); err != nil {
			return err // a wildcard, too: no key record stands at one
		} else if n != name {
			return fmt.Errorf("name %q is not in normal form, want %q", name, n)
		}
	}
	// libdns cuts the zone off the name without looking for the dot, and an
	// update server takes what follows as a name in the zone.
	if rec.Owner != rec.Zone && !strings.HasSuffix(rec.Owner, "."+rec.Zone) {
		return fmt.Errorf("%s does not lie in zone %s", rec.Owner, rec.Zone)
	}
	if rec.TTL < time.Second || rec.TTL%time.Second != 0 || rec.TTL/time.Second > math.MaxInt32 {
		return fmt.Errorf("TTL %s is not a whole number of seconds from 1 on (RFC 2181 section 8)", rec.TTL)
	}
	if rec.Value == "" {
		return errors.New("the value is empty")
	}
	// A key record holds nothing else (RFC 6376 section 3.2), and modules turn
	// other octets into something that was not written.
	for i := range len(rec.Value) {
		if c := rec.Value[i]; c < ' ' || c > '~' {
			return fmt.Errorf("octet %d of the value is %#x; a key record is printable ASCII (RFC 6376 section 3.2)", i, c)
		}
	}
	return nil
}

// libdnsTXT is rec as the modules want it: a name relative to its zone, one
// value without quotes.
func libdnsTXT(rec dkim.TXT) libdns.TXT {
	return libdns.TXT{Name: libdns.RelativeName(rec.Owner, rec.Zone), TTL: rec.TTL, Text: rec.Value}
}

// quoteTXT writes a value as a zone file does: quoted strings of at most 255
// octets (RFC 1035 section 5.1). The value must be acceptable.
func quoteTXT(value string) string {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	var quoted []string
	for _, s := range dkim.Strings(value) {
		quoted = append(quoted, `"`+escape.Replace(s)+`"`)
	}
	return strings.Join(quoted, " ")
}

// unquoteTXT reads what quoteTXT writes, and text without quotes as it stands.
func unquoteTXT(s string) string {
	if !strings.HasPrefix(s, `"`) {
		return s
	}
	var b strings.Builder
	open := -1 // where the string begins that is being read
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"' && open < 0:
			open = i + 1
		case open < 0: // white space between strings
		case s[i] == '"':
			b.WriteString(dkim.Unescape(s[open:i]))
			open = -1
		case s[i] == '\\':
			i++
		}
	}
	if open >= 0 { // it does not end
		b.WriteString(dkim.Unescape(s[open:]))
	}
	return b.String()
}
