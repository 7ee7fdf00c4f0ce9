package master

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Record is a record of a zone file: what RFC 1035 section 5.1 says of every
// type, with its data as written. That is enough to change a file; what the data
// means is found out when it is needed.
type Record struct {
	Owner  string // absolute, in the spelling of absoluteName
	TTL    uint32
	Kind   uint16
	Data   string // its words with single spaces between
	Origin string // for relative names in the data

	file string // "" is the zone file itself
	line int
	At   int // where the entry begins in the zone file that holds it, or holds the $INCLUDE of it
}

// Same says whether two records say the same.
func (r *Record) Same(o *Record) bool {
	return r.Owner == o.Owner && r.TTL == o.TTL && r.Kind == o.Kind && r.Data == o.Data && r.Origin == o.Origin
}

// maxRecords bounds what a file and all that it includes can hold.
const maxRecords = 10_000_000

// Reader reads the text of one zone file and of those that it includes.
type Reader struct {
	Zone    string // with its final dot
	Records []Record
	Serials [][]Span        // where the serials of the SOA records in the file itself stand
	Flaws   []*Flaw         // single records that can't be read
	Broken  []Record        // those of them whose owner is known
	Sources []Source        // what $INCLUDE has led to
	size    int64           // of the sources
	writers safefile.Others // of the zone file and the sources
	pending []int           // records whose TTL is the SOA minimum, wherever the SOA stands
	made    made            // of $GENERATE and of files that are included again

	// As name servers keep them: for all files together.
	ttl, defaultTTL *uint32
	run, glue       run // the records of one name read last, and those of its servers among them
}

// scope is what a file has for itself: an included file changes neither the
// origin nor the owner of the one that includes it (RFC 1035 section 5.1).
type scope struct {
	path   string // absolute; $INCLUDE starts from its directory
	text   string
	shown  string // the path when it is included, "" for the zone file itself
	origin string
	owner  string
	at     int // of the entry in the zone file itself
	depth  int
	again  bool // the text was read before
}

// Read reads a zone file. path is absolute. The error is a *Flaw after which
// nothing can be known; flaws of single records are in the reader.
func Read(zone, path string, c Content) (*Reader, Outline, error) {
	text := c.Text
	r := &Reader{Zone: zone, writers: c.Writers}
	o, err := Scan(text)
	if err != nil {
		return r, o, whole(text, err)
	}
	if err := r.read(&scope{path: path, text: text, origin: zone, owner: zone}, o); err != nil {
		return r, o, whole(text, err)
	}
	r.fillTTLs()
	return r, o, nil
}

// whole names the reason behind a flaw that files of another kind have.
func whole(text string, err error) error {
	if reason := foreignFormat(text); reason != "" {
		return &Flaw{Reason: reason}
	}
	return err
}

// foreignFormat says what is wrong with a text that is no master file, or "".
func foreignFormat(text string) string {
	switch {
	case strings.HasPrefix(text, "\xef\xbb\xbf"):
		return "the file begins with a byte order mark, which name servers take for a part of the first name; " +
			"save it as UTF-8 without one"
	case len(text) > 8 && text[0] == 0 && text[1] == 0 && text[2] == 0 && (text[3] == 2 || text[3] == 3):
		return "the file is in BIND's binary format (masterfile-format raw or map), not a text file"
	}
	return ""
}

func (r *Reader) read(s *scope, o Outline) error {
	for i := range o.Entries {
		e := &o.Entries[i]
		if s.depth == 0 {
			s.at = e.Tokens[0].Start
		}
		err := r.entry(s, e)
		if err == nil {
			continue
		}
		var within *Flaw
		if errors.As(err, &within) { // of an included file
			return within
		}
		flaw := &Flaw{File: s.shown, Line: e.line, Reason: err.Error(), Remedy: safefile.Remedy(err)}
		if s.depth > 0 {
			flaw.Reason = discreet(err)
		}
		if isDirective(s, e) || errors.As(err, new(*boundError)) {
			return flaw
		}
		r.Flaws = append(r.Flaws, flaw)
	}
	return nil
}

func isDirective(s *scope, e *entry) bool {
	return !e.indented && strings.HasPrefix(unquote(e.Tokens[0].Of(s.text)), "$")
}

func (r *Reader) entry(s *scope, e *entry) error {
	if s.again { // a text of its own costs its writer as much as it costs the reader
		if err := r.made.count(e.Tokens[len(e.Tokens)-1].End - e.Tokens[0].Start); err != nil {
			return err
		}
	}
	words := make([]string, len(e.Tokens))
	for i, t := range e.Tokens {
		words[i] = t.Of(s.text)
	}
	if isDirective(s, e) {
		return r.directive(s, words)
	}
	rec := Record{Owner: s.owner, Origin: s.origin, file: s.shown, line: e.line, At: s.at}
	if !e.indented {
		owner, err := absoluteName(words[0], s.origin)
		if err != nil {
			return err
		}
		s.owner, rec.Owner, words = owner, owner, words[1:]
	}
	ttl, words, err := rec.readType(words)
	if err != nil {
		r.Broken = append(r.Broken, rec)
		return err
	}
	tokens := e.Tokens[len(e.Tokens)-len(words):]
	rec.Data = joinWords(rec.Kind, tokens, words)
	if rec.Kind == dns.TypeSOA && s.depth == 0 && Canonical(rec.Owner) == r.Zone {
		at, err := serialSpans(tokens, words)
		if err != nil {
			return err
		}
		r.Serials = append(r.Serials, at)
	}
	return r.add(rec, ttl)
}

// readType reads TTL, class and type. It returns the TTL, or nil, and the words
// behind the type: the data.
func (rec *Record) readType(words []string) (*uint32, []string, error) {
	var ttl *uint32
	class := false
	for ; len(words) > 0; words = words[1:] {
		word := unquote(words[0])
		if n, ok := parseTTL(word); ok && ttl == nil {
			ttl = &n
			continue
		}
		own, ok := parseClass(word)
		if !ok || class {
			break
		}
		if class = true; !own {
			return nil, nil, quote("the class is not that of the zone, IN", word)
		}
	}
	if len(words) == 0 {
		return nil, nil, errors.New("the record has no type")
	}
	kind, ok := ParseType(unquote(words[0]))
	if !ok {
		return nil, nil, quote("unknown record type (write it as TYPE and its number, RFC 3597)", words[0])
	}
	if rec.Kind = kind; len(words) == 1 && kind != dns.TypeAPL { // a list that may be empty (RFC 3123 section 4)
		return nil, nil, errors.New("the " + TypeName(kind) + " record has no data")
	}
	return ttl, words[1:], nil
}

// add takes a record up, with the TTL that BIND gives it: its own, that of
// $TTL, that of the record before, or the SOA minimum.
func (r *Reader) add(rec Record, ttl *uint32) error {
	if len(r.Records) >= maxRecords {
		return &boundError{fmt.Sprintf("the zone has too many records: at most %d are read", maxRecords)}
	}
	if ttl != nil {
		r.ttl = ttl
	}
	if name := Canonical(rec.Owner); name != r.Zone && !dns.IsSubDomain(r.Zone, name) {
		return nil // servers ignore it
	}
	pending := false
	switch {
	case ttl != nil:
		rec.TTL = *ttl
	case r.defaultTTL != nil:
		rec.TTL = *r.defaultTTL
	case r.ttl != nil:
		rec.TTL = *r.ttl
	default:
		pending = true
		r.pending = append(r.pending, len(r.Records))
		if rr, err := rec.RR(); err == nil && rec.Kind == dns.TypeSOA {
			r.defaultTTL = &rr.(*dns.SOA).Minttl
		}
	}
	if !pending {
		r.settleTTL(&rec)
	}
	r.Records = append(r.Records, rec)
	return nil
}

// settleTTL gives the records of a set that follow each other the TTL of the first,
// as BIND does when a file gives them several (RFC 2181 section 5.2).
func (r *Reader) settleTTL(rec *Record) {
	in := r.runOf(rec)
	if first, ok := in.ttls[rec.Kind]; ok && first != rec.TTL {
		rec.TTL, r.ttl = first, &first
	}
	in.ttls[rec.Kind] = rec.TTL
}

// run is a number of records of one name that follow each other.
type run struct {
	owner string
	ttls  map[uint16]uint32 // by type
	hosts []string          // that its NS records name
}

// runOf returns the run that a record belongs to. Records of the servers that a name's NS
// records lead to don't end the run of that name.
func (r *Reader) runOf(rec *Record) *run {
	name := Canonical(rec.Owner)
	switch {
	case name == r.run.owner:
		r.glue = run{}
	case name == r.glue.owner:
		return &r.glue
	case slices.Contains(r.run.hosts, name):
		r.glue = run{owner: name, ttls: map[uint16]uint32{}}
		return &r.glue
	default:
		r.run, r.glue = run{owner: name, ttls: map[uint16]uint32{}}, run{}
	}
	if rec.Kind == dns.TypeNS {
		rr, _ := rec.RR()
		if ns, ok := rr.(*dns.NS); ok {
			r.run.hosts = append(r.run.hosts, Canonical(ns.Ns))
		}
	}
	return &r.run
}

// fillTTLs gives the SOA minimum to records that nothing else gives a TTL.
func (r *Reader) fillTTLs() {
	if len(r.pending) == 0 {
		return
	}
	soa, err := r.SOA()
	if err != nil {
		return
	}
	for _, i := range r.pending {
		r.Records[i].TTL = soa.Minttl
	}
}

// Source is a file that $INCLUDE has led to.
type Source struct {
	Path string
	Info fs.FileInfo
}
