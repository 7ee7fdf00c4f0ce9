package zonefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/miekg/dns"
)

// maxIncluded is the size up to which an included file is read.
const maxIncluded = 64 << 20

// parser reads the text of one zone file.
type parser struct {
	origin   string // with its final dot
	path     string // absolute; $INCLUDE starts from its directory
	ttl      *uint32
	included []fs.FileInfo // what $INCLUDE has led to
	files    []string
}

// parseZone reads all records of a zone file. A file without $TTL whose SOA has no TTL
// either takes the SOA minimum for it, as name servers do (RFC 1035 section 3.3.13).
func (p *parser) parseZone(text string) ([]dns.RR, *dns.SOA, error) {
	rrs, err := p.parse(text)
	if err != nil && strings.Contains(err.Error(), "missing TTL") {
		p.ttl = new(uint32)
		if rrs, err = p.parse(text); err == nil {
			if soa, e := p.findSOA(rrs); e == nil {
				p.ttl = &soa.Minttl
				rrs, err = p.parse(text)
			}
		}
	}
	if err != nil {
		return nil, nil, err
	}
	soa, err := p.findSOA(rrs)
	return rrs, soa, err
}

// parse reads the records of text, which may be the beginning of a zone file.
func (p *parser) parse(text string) ([]dns.RR, error) {
	p.included, p.files = nil, nil
	flat, err := flatten(text)
	if err != nil {
		return nil, err
	}
	z := dns.NewZoneParser(strings.NewReader(flat), p.origin, p.path)
	z.SetIncludeAllowed(true)
	z.SetIncludeFS(p)
	if p.ttl != nil {
		z.SetDefaultTTL(*p.ttl)
	}
	var rrs []dns.RR
	buf := make([]byte, dns.MaxMsgSize)
	for rr, ok := z.Next(); ok; rr, ok = z.Next() {
		if err := checkRR(rr, buf); err != nil {
			return nil, err
		}
		rrs = append(rrs, rr)
	}
	if err := z.Err(); err != nil {
		return nil, p.discreet(err)
	}
	return rrs, nil
}

// Open gives an included file to the zone parser and remembers it.
func (p *parser) Open(name string) (fs.File, error) {
	path := "/" + name
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxIncluded {
		return nil, fmt.Errorf("%s is not a regular file, or too large", path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	flat, err := flatten(string(text))
	if err != nil {
		return nil, err
	}
	p.included, p.files = append(p.included, info), append(p.files, path)
	return includedFile{strings.NewReader(flat), info}, nil
}

// includedFile is the flattened text of a file.
type includedFile struct {
	*strings.Reader
	info fs.FileInfo
}

func (f includedFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f includedFile) Close() error               { return nil }

// discreet keeps the text of included files out of errors: a zone file may
// include any file, also one that holds secrets (invariant I9).
func (p *parser) discreet(err error) error {
	s := err.Error()
	own := strings.HasPrefix(s, p.path+": ")
	s = strings.TrimPrefix(s, p.path+": ")
	if i := strings.LastIndex(s, " at line: "); !own && i >= 0 {
		file, _, _ := strings.Cut(s, ": ")
		return fmt.Errorf("included file /%s can't be parsed%s", file, s[i:])
	}
	return errors.New(strings.TrimPrefix(s, "dns: "))
}

func (p *parser) findSOA(rrs []dns.RR) (*dns.SOA, error) {
	var soa *dns.SOA
	for _, rr := range rrs {
		if s, ok := rr.(*dns.SOA); ok {
			if soa != nil || dns.CanonicalName(s.Hdr.Name) != p.origin {
				return nil, fmt.Errorf("want one SOA record, at %s; found one at %s", p.origin, s.Hdr.Name)
			}
			soa = s
		}
	}
	if soa == nil {
		return nil, fmt.Errorf("no SOA record at %s", p.origin)
	}
	return soa, nil
}
