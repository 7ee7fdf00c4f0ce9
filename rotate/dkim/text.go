package dkim

import (
	"fmt"
	"strings"
)

// What is known of records and keys by their text alone: what DNS shows, what the state keeps.

// SameRecord compares as verifiers read, not letter by letter: a provider may
// respell white space or quoting.
func SameRecord(a, b string) bool {
	if a == b {
		return true
	}
	ra, errA := ParseRecord(a)
	rb, errB := ParseRecord(b)
	return errA == nil && errB == nil && ra.Equal(rb)
}

// RecordKeyID returns the id of the key that a record holds, "" when it holds none.
func RecordKeyID(record string) string {
	r, err := ParseRecord(record)
	if err != nil {
		return ""
	}
	return r.Key.ID()
}

// RevokedRecord returns the record with its p= emptied.
func RevokedRecord(record string) string {
	r, err := ParseRecord(record)
	if err != nil {
		return Record{KeyType: "rsa"}.String()
	}
	return r.Revoke().String()
}

// RevokedValue reports whether a record says that its key is revoked.
func RevokedValue(v string) bool {
	r, err := ParseRecord(v)
	return err == nil && r.Revoked()
}

// ShortID shortens a key id for people.
func ShortID(id string) string {
	if len(id) <= 12 || UnfitFor(id) != "" {
		return id
	}
	return id[:12]
}

// Brief shows record values for people, cut to what fits into a sentence, with the key of a record that is cut.
func Brief(values []string) string {
	const most = 60
	const shown = 10
	out := make([]string, 0, min(len(values), shown+1))
	for i, v := range values {
		if i == shown {
			out = append(out, fmt.Sprintf("and %d more", len(values)-shown))
			break
		}
		key := ""
		if len(v) > most {
			if id := RecordKeyID(v); id != "" { // RSA keys all begin alike
				key = fmt.Sprintf(" (key %s)", ShortID(id))
			}
			v = v[:most] + "..."
		}
		out = append(out, fmt.Sprintf("%q", v)+key)
	}
	if len(out) == 0 {
		return "no record"
	}
	return strings.Join(out, ", ")
}
