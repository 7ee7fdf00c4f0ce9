package dkim

import (
	"errors"
	"fmt"
	"strings"
)

type tag struct{ name, value string }

// parseTags reads a tag=value list, RFC 6376 section 3.2.
func parseTags(s string) ([]tag, error) {
	var tags []tag
	seen := map[string]bool{}
	parts := strings.Split(s, ";")
	for i, part := range parts {
		if strings.Trim(part, fws) == "" {
			if i == len(parts)-1 {
				break // one final semicolon is allowed
			}
			return nil, errors.New("empty tag between semicolons")
		}
		name, value, ok := strings.Cut(part, "=")
		name = strings.Trim(name, fws)
		if !ok || !isTagName(name) {
			return nil, fmt.Errorf("%q is not tag=value", strings.Trim(part, fws))
		}
		if seen[name] {
			return nil, fmt.Errorf("tag %s= stands twice (RFC 6376 section 3.2)", name)
		}
		seen[name] = true
		tags = append(tags, tag{name, strings.Trim(value, fws)})
	}
	if len(tags) == 0 {
		return nil, errors.New("no tags: not a key record")
	}
	return tags, nil
}

// fws is the folding white space that may surround tags and values.
const fws = " \t\r\n"

func isTagName(s string) bool {
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || r != '_' && (r < '0' || r > '9')) {
			return false
		}
	}
	return s != ""
}

func splitList(s string) []string {
	var out []string
	for v := range strings.SplitSeq(s, ":") {
		if v = strings.Trim(v, fws); v != "" {
			out = append(out, v)
		}
	}
	return out
}

func stripSpace(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(fws, r) {
			return -1
		}
		return r
	}, s)
}

// encodeQP writes a note as dkim-quoted-printable, RFC 6376 section 2.11, and in
// ASCII only, because not every DNS provider carries more.
func encodeQP(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7f && c != ';' && c != '=' && c != '|' && c != '"' && c != '\\' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "=%02X", c)
		}
	}
	return b.String()
}

// decodeQP reads dkim-quoted-printable; a broken escape stands for itself.
func decodeQP(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '=' && i+2 < len(s) {
			if hi, lo := unhex(s[i+1]), unhex(s[i+2]); hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		if !strings.ContainsRune(fws, rune(s[i])) {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
