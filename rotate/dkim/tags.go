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
			return nil, fmt.Errorf("%s is not tag=value", quote(strings.Trim(part, fws)))
		}
		if seen[name] {
			return nil, fmt.Errorf("the tag %s stands twice (RFC 6376 section 3.2)", quote(name))
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

// encodeQP writes a note as a qp-section, RFC 2045 section 6.7, in one line. It
// stays within ASCII and away from blanks, quotes and backslashes, because not
// every DNS provider carries more.
func encodeQP(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c > ' ' && c < 0x7f && !strings.ContainsRune(`;="\|`, rune(c)) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'=', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// decodeQP reads a qp-section. Line breaks are folding, soft ones included; a
// broken escape stands for itself.
func decodeQP(s string) string {
	s = strings.NewReplacer("=\r\n", "", "=\n", "", "\r", "", "\n", "").Replace(s)
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '=' && i+2 < len(s) {
			if hi, lo := unhex(s[i+1]), unhex(s[i+2]); hi >= 0 && lo >= 0 {
				b.WriteByte(byte(hi<<4 | lo))
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
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

// quote renders text from outside for an error: escaped, so that it can't drive
// a terminal or forge a log line, and cut short.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		return fmt.Sprintf("%q...", s[:most])
	}
	return fmt.Sprintf("%q", s)
}
