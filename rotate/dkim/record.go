package dkim

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Record is a key record, RFC 6376 section 3.6.1. ParseRecord and String are a
// pair: a record that NewRecord or ParseRecord made, formatted, parses to an equal
// one with the same notes.
type Record struct {
	KeyType  string    // k=: "rsa" or "ed25519"; empty means "rsa"
	Hashes   []string  // h=: acceptable hash algorithms; empty means all
	Services []string  // s=: service types; empty means "*"
	Flags    []string  // t=: "y" testing, "s" no subdomains
	Notes    string    // n=: decoded, for people only; may hold any octet, so quote it before printing
	Key      PublicKey // p=: zero when revoked
}

// TXT is a key record put in its place in DNS. All names are absolute, in
// lower case and without a final dot.
type TXT struct {
	Zone  string        // the zone that holds the record
	Owner string        // the record's name; differs from the selector's when a CNAME leads there
	Value string        // the joined strings
	TTL   time.Duration // whole seconds

	// Replaces reports whether a value that stands at Owner may give way to Value. When
	// another value stands there at the moment of the write, nothing is changed. Where
	// it is nil, whatever stands there gives way.
	Replaces func(value string) bool
	// Seen are the values that a look showed there directly before, for services that
	// take changes and can't be read.
	Seen []string
	// Beside lets values that may not give way stay, where the service can change those alone that may: Value then
	// stands beside them. It is for a revocation, which is worth more than a name that is in order.
	Beside bool
	// Once lets the write be tried once only: others wait for it, and it is tried again when they have what they need.
	Once bool
}

// NewRecord returns the record that publishes pub, with a note for people.
func NewRecord(pub PublicKey, note string) Record {
	r := Record{Key: pub, Notes: note, KeyType: "rsa"}
	if _, ok := pub.Key().(ed25519.PublicKey); ok {
		r.KeyType = "ed25519"
	}
	return r
}

// Revoke returns the record that takes r's place when its key is no longer
// trusted: the same, with an empty p=.
func (r Record) Revoke() Record {
	r.Key = PublicKey{}
	return r
}

// Revoked reports whether the record says that its key is no longer valid (empty p=).
func (r Record) Revoked() bool { return r.Key.IsZero() }

// Testing reports the flag t=y: verifiers treat signatures as if there were none.
func (r Record) Testing() bool { return slices.Contains(r.Flags, "y") }

// Strict reports the flag t=s: a signature's i= names the domain itself, and no subdomain of it.
func (r Record) Strict() bool { return slices.Contains(r.Flags, "s") }

// Equal reports whether both records mean the same to a verifier: same key, type,
// hashes, services and flags. Notes, white space, the order of tags and the order
// within lists do not count.
func (r Record) Equal(o Record) bool {
	return r.keyType() == o.keyType() && r.Key == o.Key && sameSet(r.Hashes, o.Hashes) &&
		sameSet(r.services(), o.services()) && sameSet(r.Flags, o.Flags)
}

func (r Record) keyType() string { return cmp.Or(r.KeyType, "rsa") }

// services returns what s= restricts the key to, nil for no restriction.
func (r Record) services() []string {
	if slices.Contains(r.Services, "*") {
		return nil
	}
	return r.Services
}

func sameSet(a, b []string) bool {
	set := func(l []string) []string { return slices.Compact(slices.Sorted(slices.Values(l))) }
	return slices.Equal(set(a), set(b))
}

// String formats the record in canonical form, v= first and p= last.
func (r Record) String() string {
	var b strings.Builder
	b.WriteString("v=DKIM1; k=" + r.keyType())
	list := func(tag string, values []string) {
		if len(values) > 0 {
			b.WriteString("; " + tag + "=" + strings.Join(values, ":"))
		}
	}
	list("h", r.Hashes)
	list("s", r.Services)
	list("t", r.Flags)
	if r.Notes != "" {
		b.WriteString("; n=" + encodeQP(r.Notes))
	}
	b.WriteString("; p=" + r.p())
	return b.String()
}

func (r Record) p() string {
	if k, ok := r.Key.Key().(ed25519.PublicKey); ok {
		return base64.StdEncoding.EncodeToString(k) // RFC 8463 section 4: the raw 32 octets
	}
	return base64.StdEncoding.EncodeToString([]byte(r.Key.der))
}

// ParseRecord reads the joined strings of a TXT record as a key record. It
// follows RFC 6376 section 3.6.1 as careful verifiers do: unknown tags are ignored,
// v= must come first when present, duplicate tags are an error. Where verifiers
// differ, what some refuse is an error that says so: RSA keys in PKCS#1 form, an
// empty h= or s=. So are a record that email can't use (no sha256 in h=, no email
// in s=) and an RSA key below 1024 bits (RFC 8301). An empty p= is a revoked
// record, not an error. Errors quote what DNS said escaped and cut short.
func ParseRecord(txt string) (Record, error) {
	tags, err := parseTags(txt)
	if err != nil {
		return Record{}, err
	}
	r, p := Record{KeyType: "rsa"}, ""
	seen := map[string]bool{}
	for i, t := range tags {
		seen[t.name] = true
		switch t.name {
		case "v":
			if t.value != "DKIM1" {
				return Record{}, fmt.Errorf("the version is v=%s; want v=DKIM1", quote(t.value))
			}
			if i != 0 {
				return Record{}, errors.New("v= must be the first tag (RFC 6376 section 3.6.1)")
			}
		case "k":
			r.KeyType = t.value
		case "h":
			r.Hashes = splitList(t.value)
		case "s":
			r.Services = splitList(t.value)
		case "t":
			r.Flags = splitList(t.value)
		case "n":
			r.Notes = decodeQP(t.value)
		case "p":
			p = stripSpace(t.value)
		}
	}
	switch {
	case !seen["p"]:
		return Record{}, errors.New("no p= tag: not a key record")
	case seen["k"] && r.KeyType == "":
		return Record{}, errors.New("k= names no key type")
	case seen["h"] && !slices.Contains(r.Hashes, "sha256"):
		return Record{}, fmt.Errorf("h=%s leaves out sha256 (RFC 8301 section 3.1)", quote(strings.Join(r.Hashes, ":")))
	case seen["s"] && !slices.Contains(r.Services, "*") && !slices.Contains(r.Services, "email"):
		return Record{}, fmt.Errorf("s=%s does not allow email", quote(strings.Join(r.Services, ":")))
	case p == "":
		return r, nil
	}
	if r.Key, err = parseP(r.KeyType, p); err != nil {
		return Record{}, err
	}
	return r, nil
}

func parseP(keyType, p string) (PublicKey, error) {
	der, err := base64.StdEncoding.DecodeString(p)
	if err != nil {
		return PublicKey{}, fmt.Errorf("p= is not base64: %w", err)
	}
	switch keyType {
	case "rsa":
		return parseRSA(der)
	case "ed25519":
		if len(der) == ed25519.PublicKeySize {
			return encoded(ed25519.PublicKey(der)) // any 32 octets are one
		}
		if _, err := x509.ParsePKIXPublicKey(der); err == nil {
			return PublicKey{}, errors.New("p= holds a SubjectPublicKeyInfo; " +
				"for ed25519 it is the bare 32 octets (RFC 8463 section 4)")
		}
		return PublicKey{}, fmt.Errorf("p= holds %d octets; an ed25519 key has %d (RFC 8463 section 4)", len(der),
			ed25519.PublicKeySize)
	}
	return PublicKey{}, fmt.Errorf("k=%s is not a key type that DKIM knows; want rsa or ed25519", quote(keyType))
}

func parseRSA(der []byte) (PublicKey, error) {
	pub, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		if _, err := x509.ParsePKCS1PublicKey(der); err == nil {
			return PublicKey{}, errors.New("p= holds a PKCS#1 RSA key; verifiers want SubjectPublicKeyInfo")
		}
		return PublicKey{}, errors.New("p= is not a SubjectPublicKeyInfo")
	}
	k, ok := pub.(*rsa.PublicKey)
	if !ok {
		return PublicKey{}, fmt.Errorf("k=rsa, but p= holds a %T", pub)
	}
	if k.N.BitLen() < 1024 {
		return PublicKey{}, fmt.Errorf("RSA key has %d bits; verifiers want at least 1024 (RFC 8301 section 3.2)",
			k.N.BitLen())
	}
	return encoded(k) // the parser has checked it
}

// Strings cuts the joined value into the strings of a TXT record, at most 255
// octets each (RFC 6376 section 3.6.2.2, RFC 1035 section 3.3.14).
func Strings(value string) []string {
	var out []string
	for len(value) > 255 {
		out = append(out, value[:255])
		value = value[255:]
	}
	return append(out, value)
}

// RecordAlgorithm returns the kind of the key that a record holds, "" when it holds none. Of keys as dkimbot makes
// them the length shows it, since a planner asks often.
func RecordAlgorithm(record string) Algorithm {
	_, p, _ := strings.Cut(record, "; p=")
	p, _, _ = strings.Cut(p, ";")
	rsa := strings.Contains(record, "; k=rsa;")
	switch {
	case rsa && len(p) == 392: // the base64 of its SubjectPublicKeyInfo
		return RSA2048
	case rsa && len(p) == 736:
		return RSA4096
	case strings.Contains(record, "; k=ed25519;") && len(p) == 44:
		return Ed25519
	}
	r, err := ParseRecord(record)
	if err != nil {
		return ""
	}
	return r.Key.Algorithm()
}
