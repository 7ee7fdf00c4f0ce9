package dkim

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// Name says where a key record lives: a selector of a domain.
// The zero Name is not valid. Build one from outside input with ParseDomain and
// ParseSelector, so that it can't escape a directory or a DNS zone.
type Name struct {
	Domain   string `json:"domain"`   // d=, lower case, A-labels, no final dot
	Selector string `json:"selector"` // s=, lower case
}

// String returns the record's name without a final dot, for example
// "s1._domainkey.example.com" (RFC 6376 section 3.6.2.1).
func (n Name) String() string { return n.Selector + "._domainkey." + n.Domain }

// Check returns an error unless both parts are in the normal form that
// ParseDomain and ParseSelector return.
func (n Name) Check() error {
	if d, err := ParseDomain(n.Domain); err != nil {
		return err
	} else if d != n.Domain {
		return fmt.Errorf("domain %q is not in normal form; write %q", n.Domain, d)
	}
	if s, err := ParseSelector(n.Selector); err != nil {
		return err
	} else if s != n.Selector {
		return fmt.Errorf("selector %q is not in normal form; write %q", n.Selector, s)
	}
	if len(n.String()) > maxName {
		return fmt.Errorf("%s is longer than a DNS name may be (%d characters)", n, maxName)
	}
	return nil
}

// ParseDomain returns s in normal form: lower case, internationalised labels as
// A-labels (RFC 5890), no final dot. Labels hold letters, digits, hyphens and
// underscores only, so a domain is always safe as a file name.
func ParseDomain(s string) (string, error) {
	d := s
	if len(d) > 4*maxName { // no name is longer in UTF-8, and mapping one takes its time
		return "", fmt.Errorf("%s is not a domain name: it is longer than %d characters", quote(s), maxName)
	}
	if !utf8.ValidString(d) { // idna would encode the replacement character
		return "", fmt.Errorf("%s is not a domain name: it is not UTF-8", quote(s))
	}
	if !isASCII(d) {
		a, err := idna.Lookup.ToASCII(d)
		if err != nil {
			return "", fmt.Errorf("%s is not a domain name: %s", quote(s), quote(err.Error()))
		}
		d = a
	}
	d = strings.ToLower(strings.TrimSuffix(d, "."))
	if err := checkLabels(d); err != nil {
		return "", fmt.Errorf("%s is not a domain name: %w", quote(s), err)
	}
	return d, nil
}

// ParseSelector returns s in normal form: one or more DNS labels joined by dots
// (RFC 6376 section 3.1), lower case. Selectors are ASCII.
func ParseSelector(s string) (string, error) {
	// Lowering other letters could make ASCII of them: the Kelvin sign becomes a k.
	if !isASCII(s) {
		return "", fmt.Errorf("%s is not a selector: letters, digits, hyphens and underscores are allowed", quote(s))
	}
	n := strings.ToLower(s)
	if err := checkLabels(n); err != nil {
		return "", fmt.Errorf("%s is not a selector: %w", quote(s), err)
	}
	return n, nil
}

// maxName is the longest name that DNS carries, written without the final dot
// (RFC 1035 section 3.1: 255 octets with the length octets).
const maxName = 253

func checkLabels(s string) error {
	if s == "" {
		return errors.New("it is empty")
	}
	if len(s) > maxName {
		return fmt.Errorf("it is longer than %d characters", maxName)
	}
	for label := range strings.SplitSeq(s, ".") {
		switch {
		case label == "":
			return errors.New("it has an empty label")
		case len(label) > 63:
			return fmt.Errorf("label %s is longer than 63 characters", quote(label))
		case label[0] == '-' || label[len(label)-1] == '-':
			return fmt.Errorf("label %q begins or ends with a hyphen", label)
		}
		for _, r := range label {
			if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_' {
				return fmt.Errorf("label %q holds %q; letters, digits, hyphens and underscores are allowed", label, r)
			}
		}
	}
	return nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
