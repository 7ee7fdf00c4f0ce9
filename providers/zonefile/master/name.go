package master

import (
	"strings"

	"github.com/miekg/dns"
)

// absoluteName makes a name of a file absolute, in the one spelling that
// miekg/dns gives to names of messages, so that names can be compared as texts.
func absoluteName(token, origin string) (string, error) {
	name := unquote(token)
	switch {
	case name == "@":
		return origin, nil
	case endsInDot(name):
	case origin == ".":
		name += "."
	default:
		name += "." + origin
	}
	if plainName(name) {
		if _, ok := dns.IsDomainName(name); ok {
			return name, nil
		}
		return "", quote("not a domain name", token)
	}
	buf := make([]byte, 256)
	end, err := dns.PackDomainName(name, buf, 0, nil, false)
	if err != nil {
		return "", quote("not a domain name", token)
	}
	name, _, err = dns.UnpackDomainName(buf[:end], 0)
	if err != nil {
		return "", quote("not a domain name", token)
	}
	return name, nil
}

// Canonical returns the lower-case spelling of a name of miekg/dns.
func Canonical(name string) string {
	if abs, err := absoluteName(name, "."); err == nil {
		name = abs
	}
	return dns.CanonicalName(name)
}

// plainName says whether a name has only one spelling, but for letter case.
func plainName(name string) bool {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c > '~' || strings.IndexByte(`\"();@$`, c) >= 0 {
			return false
		}
	}
	return true
}

// endsInDot says whether a name ends in a dot that is no part of a label.
func endsInDot(name string) bool {
	if !strings.HasSuffix(name, ".") {
		return false
	}
	head := name[:len(name)-1]
	return (len(head)-len(strings.TrimRight(head, `\`)))%2 == 0
}

// unquote returns the content of a token in quotes, and any other as it is.
func unquote(token string) string {
	if len(token) >= 2 && token[0] == '"' {
		return token[1 : len(token)-1]
	}
	return token
}
