package zonefile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// The lines between which the provider's own records stand. A line counts as a
// mark when it begins so.
const (
	beginMark = "; BEGIN dkimbot"
	endMark   = "; END dkimbot"
	beginLine = beginMark + " (records between these lines are changed by dkimbot; put nothing else here)\n"
	endLine   = endMark + "\n"
)

// document is a zone file, understood.
type document struct {
	parser  parser
	text    string
	soa     *dns.SOA
	block   span     // our block with its marks; empty and at the end if there is none
	before  []dns.RR // the records before, in and after the block
	own     []dns.RR
	after   []dns.RR
	outline outline
}

// parseDocument reads a zone file. path is absolute.
func parseDocument(origin, path, text string) (*document, error) {
	o, err := scan(text)
	if err != nil {
		return nil, err
	}
	d := &document{parser: parser{origin: origin, path: path}, text: text, outline: o}
	all, soa, err := d.parser.parseZone(text)
	if err != nil {
		return nil, err
	}
	d.soa = soa
	if d.block, err = findBlock(text, d.outline); err != nil {
		return nil, err
	}
	before, err := d.count(all, d.block.start)
	if err != nil {
		return nil, err
	}
	through, err := d.count(all, d.block.end)
	if err != nil {
		return nil, err
	}
	if before > through || through > len(all) {
		return nil, errors.New("an included file has just changed; try again")
	}
	d.before, d.own, d.after = all[:before], all[before:through], all[through:]
	if slices.Contains(d.own, dns.RR(soa)) {
		return nil, errors.New("the SOA record stands inside the marked block; move it out")
	}
	return d, nil
}

// count returns how many of all records the text up to end holds. Zone files
// are read from top to bottom: what a beginning of the text holds is the
// beginning of what all of it holds.
func (d *document) count(all []dns.RR, end int) (int, error) {
	entries := d.outline.entries
	if len(entries) == 0 || entries[len(entries)-1].tokens[0].start < end {
		return len(all), nil
	}
	rrs, err := d.parser.parse(d.text[:end])
	if err != nil {
		return 0, err
	}
	return len(rrs), nil
}

// findBlock returns where the block stands.
func findBlock(text string, o outline) (span, error) {
	block := span{len(text), len(text)}
	begins, ends := 0, 0
	for _, c := range o.comments {
		switch line := c.of(text); {
		case strings.HasPrefix(line, beginMark):
			begins++
			block.start = c.start
		case strings.HasPrefix(line, endMark):
			ends++
			block.end = c.end
		}
	}
	if begins > 1 || begins != ends || block.start > block.end {
		return span{}, fmt.Errorf("want one line %q and later one line %q, or neither", beginMark, endMark)
	}
	return block, nil
}

// foreign returns the records that are not ours.
func (d *document) foreign() []dns.RR { return slices.Concat(d.before, d.after) }

// rewrite returns the text with own in place of our records and the next
// serial, after it has made sure that the new text means just that.
func (d *document) rewrite(own []dns.RR, now time.Time) (string, error) {
	at, err := findSerial(d.text, d.outline)
	if err != nil {
		return "", err
	}
	inBlock := d.block.start <= at.start && at.start < d.block.end
	if n, err := strconv.ParseUint(at.of(d.text), 10, 32); err != nil || uint32(n) != d.soa.Serial || inBlock {
		return "", fmt.Errorf("the digits of the SOA serial %d can't be found in the text", d.soa.Serial)
	}
	serial := nextSerial(d.soa.Serial, now)
	text := d.replace(at, fmt.Sprint(serial), renderBlock(own))
	return text, d.verify(text, own, serial)
}

// replace puts a serial and a block in their places and keeps every other byte.
func (d *document) replace(at span, serial, block string) string {
	head, tail := d.text[:d.block.start], d.text[d.block.end:]
	if at.start < d.block.start {
		head = head[:at.start] + serial + head[at.end:]
	} else {
		tail = tail[:at.start-d.block.end] + serial + tail[at.end-d.block.end:]
	}
	if block != "" && head != "" && !strings.HasSuffix(head, "\n") {
		head += "\n"
	}
	return head + block + tail
}

// renderBlock writes records in a settled order, with absolute names and TTLs,
// so that nothing outside the block changes their meaning.
func renderBlock(own []dns.RR) string {
	if len(own) == 0 {
		return ""
	}
	lines := texts(own)
	slices.Sort(lines)
	return beginLine + strings.Join(lines, "\n") + "\n" + endLine
}

// verify parses the new text and compares: the same foreign records in the same
// order, our records as wanted, the serial as wanted. It catches what an edit
// of text can do unseen, such as a later line that inherits an owner or a TTL from ours.
func (d *document) verify(text string, own []dns.RR, serial uint32) error {
	changed, err := parseDocument(d.parser.origin, d.parser.path, text)
	if err != nil {
		return fmt.Errorf("the changed zone file would not parse: %w", err)
	}
	if changed.soa.Serial != serial {
		return fmt.Errorf("the changed zone file would have the serial %d, not %d", changed.soa.Serial, serial)
	}
	changed.soa.Serial = d.soa.Serial
	if !slices.Equal(texts(changed.foreign()), texts(d.foreign())) {
		return errors.New("the change would alter records outside the marked block, which lean on the records in it")
	}
	got, want := texts(changed.own), texts(own)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		return errors.New("the changed zone file would not hold the wanted records")
	}
	return nil
}

func texts(rrs []dns.RR) []string {
	out := make([]string, len(rrs))
	for i, rr := range rrs {
		out[i] = rr.String()
	}
	return out
}
