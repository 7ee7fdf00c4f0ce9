package zonefile

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// record is a record of a zone file: what RFC 1035 section 5.1 says of every
// type, with its data as written. That is enough to change a file; what the data
// means is found out when it is needed.
type record struct {
	owner  string // absolute, in the spelling of absoluteName
	ttl    uint32
	kind   uint16
	data   string // its words with single spaces between
	origin string // for relative names in the data

	file string // "" is the zone file itself
	line int
	at   int // where the entry begins in the zone file that holds it, or holds the $INCLUDE of it
}

// same tells whether two records say the same.
func (r *record) same(o *record) bool {
	return r.owner == o.owner && r.ttl == o.ttl && r.kind == o.kind && r.data == o.data && r.origin == o.origin
}

// maxRecords bounds what a file and all that it includes can hold.
const maxRecords = 10_000_000

// reader reads the text of one zone file and of those that it includes.
type reader struct {
	zone    string // with its final dot
	records []record
	serials [][]span        // where the serials of the SOA records in the file itself stand
	flaws   []*Flaw         // single records that can't be read
	broken  []record        // those of them whose owner is known
	sources []source        // what $INCLUDE has led to
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

// readMaster reads a zone file. path is absolute. The error is a *Flaw after which
// nothing can be known; flaws of single records are in the reader.
func readMaster(zone, path string, c content) (*reader, outline, error) {
	text := c.text
	r := &reader{zone: zone, writers: c.writers}
	o, err := scan(text)
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

func (r *reader) read(s *scope, o outline) error {
	for i := range o.entries {
		e := &o.entries[i]
		if s.depth == 0 {
			s.at = e.tokens[0].start
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
		r.flaws = append(r.flaws, flaw)
	}
	return nil
}

func isDirective(s *scope, e *entry) bool {
	return !e.indented && strings.HasPrefix(unquote(e.tokens[0].of(s.text)), "$")
}

func (r *reader) entry(s *scope, e *entry) error {
	if s.again { // a text of its own costs its writer as much as it costs the reader
		if err := r.made.count(e.tokens[len(e.tokens)-1].end - e.tokens[0].start); err != nil {
			return err
		}
	}
	words := make([]string, len(e.tokens))
	for i, t := range e.tokens {
		words[i] = t.of(s.text)
	}
	if isDirective(s, e) {
		return r.directive(s, words)
	}
	rec := record{owner: s.owner, origin: s.origin, file: s.shown, line: e.line, at: s.at}
	if !e.indented {
		owner, err := absoluteName(words[0], s.origin)
		if err != nil {
			return err
		}
		s.owner, rec.owner, words = owner, owner, words[1:]
	}
	ttl, words, err := rec.readType(words)
	if err != nil {
		r.broken = append(r.broken, rec)
		return err
	}
	tokens := e.tokens[len(e.tokens)-len(words):]
	rec.data = joinWords(rec.kind, tokens, words)
	if rec.kind == dns.TypeSOA && s.depth == 0 && canonical(rec.owner) == r.zone {
		at, err := serialSpans(tokens, words)
		if err != nil {
			return err
		}
		r.serials = append(r.serials, at)
	}
	return r.add(rec, ttl)
}

// readType reads TTL, class and type. It returns the TTL, or nil, and the words
// behind the type: the data.
func (rec *record) readType(words []string) (*uint32, []string, error) {
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
	kind, ok := parseType(unquote(words[0]))
	if !ok {
		return nil, nil, quote("not a record type that is known here (as TYPE and its number, RFC 3597, "+
			"every type is)", words[0])
	}
	if rec.kind = kind; len(words) == 1 && kind != dns.TypeAPL { // a list that may be empty (RFC 3123 section 4)
		return nil, nil, errors.New("the " + typeName(kind) + " record has no data")
	}
	return ttl, words[1:], nil
}

// add takes a record up, with the TTL that BIND gives it: its own, that of
// $TTL, that of the record before, or the SOA minimum.
func (r *reader) add(rec record, ttl *uint32) error {
	if len(r.records) >= maxRecords {
		return &boundError{fmt.Sprintf("the zone has too many records: at most %d are read", maxRecords)}
	}
	if ttl != nil {
		r.ttl = ttl
	}
	if name := canonical(rec.owner); name != r.zone && !dns.IsSubDomain(r.zone, name) {
		return nil // servers ignore it
	}
	pending := false
	switch {
	case ttl != nil:
		rec.ttl = *ttl
	case r.defaultTTL != nil:
		rec.ttl = *r.defaultTTL
	case r.ttl != nil:
		rec.ttl = *r.ttl
	default:
		pending = true
		r.pending = append(r.pending, len(r.records))
		if rr, err := rec.rr(); err == nil && rec.kind == dns.TypeSOA {
			r.defaultTTL = &rr.(*dns.SOA).Minttl
		}
	}
	if !pending {
		r.settleTTL(&rec)
	}
	r.records = append(r.records, rec)
	return nil
}

// settleTTL gives the records of a set that follow each other the TTL of the first,
// as BIND does when a file gives them several (RFC 2181 section 5.2).
func (r *reader) settleTTL(rec *record) {
	in := r.runOf(rec)
	if first, ok := in.ttls[rec.kind]; ok && first != rec.ttl {
		rec.ttl, r.ttl = first, &first
	}
	in.ttls[rec.kind] = rec.ttl
}

// run is a number of records of one name that follow each other.
type run struct {
	owner string
	ttls  map[uint16]uint32 // by type
	hosts []string          // that its NS records name
}

// runOf returns the run that a record belongs to. Records of the servers that a name's NS
// records lead to don't end the run of that name.
func (r *reader) runOf(rec *record) *run {
	name := canonical(rec.owner)
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
	if rec.kind == dns.TypeNS {
		rr, _ := rec.rr()
		if ns, ok := rr.(*dns.NS); ok {
			r.run.hosts = append(r.run.hosts, canonical(ns.Ns))
		}
	}
	return &r.run
}

// fillTTLs gives the SOA minimum to records that nothing else gives a TTL.
func (r *reader) fillTTLs() {
	if len(r.pending) == 0 {
		return
	}
	soa, err := r.soa()
	if err != nil {
		return
	}
	for _, i := range r.pending {
		r.records[i].ttl = soa.Minttl
	}
}

// source is a file that $INCLUDE has led to.
type source struct {
	path string
	info fs.FileInfo
}
