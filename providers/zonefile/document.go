package zonefile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/providers/zonefile/master"
	"github.com/dkimbot/dkimbot/rotate/safefile"
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
	origin  string
	path    string
	text    string
	writers safefile.Others
	soa     *dns.SOA
	serials [][]master.Span // of each SOA record; files that "dig axfr" made hold it twice
	block   master.Span     // our block with its marks; empty and at the end if there is none
	foreign []master.Record // the records outside the block, in their order
	own     []dns.RR
}

// parseDocument reads a zone file that is to be changed, or whose records are asked
// for. path is absolute. The error is a *Flaw, or one about the whole file.
func parseDocument(origin, path string, c master.Content) (*document, error) {
	text := c.Text
	r, o, err := master.Read(origin, path, c)
	if err != nil {
		return nil, err
	}
	if err := r.Check(); err != nil {
		return nil, err
	}
	d := &document{origin: origin, path: path, text: text, writers: c.Writers, serials: r.Serials}
	if d.soa, err = r.SOA(); err != nil {
		return nil, err
	}
	if d.block, err = findBlock(text, o); err != nil {
		return nil, err
	}
	for i := range r.Records {
		rec := &r.Records[i]
		if rec.At < d.block.Start || rec.At >= d.block.End {
			d.foreign = append(d.foreign, *rec)
			continue
		}
		if rec.Kind == dns.TypeSOA {
			return nil, errors.New("the SOA record stands inside the marked block; move it out")
		}
		rr, err := rec.RR()
		if err != nil {
			return nil, rec.Flaw(err)
		}
		d.own = append(d.own, rr)
	}
	return d, nil
}

// findBlock returns where the block stands.
func findBlock(text string, o master.Outline) (master.Span, error) {
	block := master.Span{Start: len(text), End: len(text)}
	begins, ends := 0, 0
	for _, c := range o.Comments {
		switch line := c.Of(text); {
		case strings.HasPrefix(line, beginMark):
			begins++
			block.Start = c.Start
		case strings.HasPrefix(line, endMark):
			ends++
			block.End = c.End
		}
	}
	if begins > 1 || begins != ends || block.Start > block.End {
		return master.Span{}, &master.Flaw{Reason: fmt.Sprintf("want one line %q and later one line %q, or neither", beginMark, endMark),
			Remedy: "put one line " + beginMark + " before dkimbot's records and one line " + endMark + " after them"}
	}
	return block, nil
}

// rewrite returns the text with own in place of our records and the next
// serial, after it has made sure that the new text means just that.
func (d *document) rewrite(own []dns.RR, now time.Time) (string, error) {
	soas := 0
	for i := range d.foreign {
		if d.foreign[i].Kind == dns.TypeSOA {
			soas++
		}
	}
	if len(d.serials) != soas {
		return "", errors.New("the SOA record does not stand in the zone file itself; move it there from the included file")
	}
	serial := master.NextSerial(d.soa.Serial, now)
	var patches []master.Patch
	for _, at := range d.serials {
		if n, err := master.ReadSerial(d.text, at); err != nil || n != d.soa.Serial {
			return "", fmt.Errorf("the digits of the SOA serial %d can't be found in the text", d.soa.Serial)
		}
		patches = append(patches, master.WriteSerial(at, serial)...)
	}
	text := d.replace(patches, renderBlock(own))
	return text, d.verify(text, own, serial)
}

// replace puts patches, in their order, and the block in their places and keeps every other byte.
func (d *document) replace(patches []master.Patch, block string) string {
	var b strings.Builder
	at := 0
	upTo := func(end int) {
		for len(patches) > 0 && patches[0].At.Start < end {
			b.WriteString(d.text[at:patches[0].At.Start] + patches[0].Text)
			at, patches = patches[0].At.End, patches[1:]
		}
		b.WriteString(d.text[at:end])
	}
	upTo(d.block.Start)
	if start := d.block.Start; block != "" && start > 0 && d.text[start-1] != '\n' {
		b.WriteByte('\n')
	}
	b.WriteString(block)
	at = d.block.End
	upTo(len(d.text))
	return b.String()
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

// verify reads the new text and compares: the same foreign records in the same
// order, our records as wanted, the serial as wanted. It catches what an edit
// of text can do unseen, such as a later line that inherits an owner or a TTL from ours.
func (d *document) verify(text string, own []dns.RR, serial uint32) error {
	changed, err := parseDocument(d.origin, d.path, master.Content{Text: text, Writers: d.writers})
	if err != nil {
		return fmt.Errorf("the changed zone file would not parse: %w", err)
	}
	if changed.soa.Serial != serial {
		return fmt.Errorf("the changed zone file would have the serial %d, not %d", changed.soa.Serial, serial)
	}
	changed.soa.Serial = d.soa.Serial
	alike := changed.soa.String() == d.soa.String() &&
		slices.EqualFunc(changed.foreign, d.foreign, func(a, b master.Record) bool {
			if a.Kind == dns.TypeSOA {
				b.Data = a.Data // all say what d.soa says
			}
			return a.Same(&b)
		})
	if !alike {
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
