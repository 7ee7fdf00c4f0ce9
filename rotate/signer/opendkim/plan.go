package opendkim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/block"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim/flatfile"
)

// tablesView is what the daemon would do with both tables, and why it can't have loaded them.
type tablesView struct {
	flatfile.View
	bad *unloadable // a line with which the daemon can't have loaded the tables
}

// foreignLines is what other people's lines say that concerns us.
type foreignLines struct {
	names map[string]flatfile.Entry // KeyTable names that they define
	uses  map[string][]string       // KeyTable names that their SigningTable lines use, to the patterns
	leads map[string][]foreignUse   // domains that their SigningTable lines sign for, to the lines
}

// foreignUse is a SigningTable line of other people and the selector it leads to.
type foreignUse struct{ pattern, selector string }

// readTables reads and cuts both tables and the marker. It refuses a damaged block, and
// one of another signer.
func (b *batch) readTables() error {
	keys, err := b.key.Read()
	if err != nil {
		return b.fileFault("read KeyTable "+b.keyTable, err)
	}
	sign, err := b.sign.Read()
	if err != nil {
		return b.fileFault("read SigningTable "+b.signTable, err)
	}
	if b.keyTab, err = flat.Parse(keys); err != nil {
		return block.Damaged(b.keyTable, err)
	}
	if b.signTab, err = flat.Parse(sign); err != nil {
		return block.Damaged(b.signTable, err)
	}
	if err := cmp.Or(b.claim(b.keyTable, &b.keyTab), b.claim(b.signTable, &b.signTab)); err != nil {
		return err
	}
	marker, err := b.mark.Read()
	if err == nil {
		b.marker, err = parsePending(b.mark.Full(), marker)
	}
	if err != nil {
		return fault.Lasting("read the marker of signer "+b.cfg.Name, err,
			"reload opendkim, and remove that file then; the next run writes it again as needed")
	}
	b.view = tablesView{View: flatfile.View{Entries: flatfile.Entries(keys),
		Signing: flatfile.ReadSigning(sign, b.refile)}}
	b.keyText, b.signText = keys, sign
	b.indexLines()
	return nil
}

// claim makes the block in a table this signer's, unless it is another's.
func (b *batch) claim(path string, t *table) error {
	anothers := t.Signer != b.cfg.Name && len(t.Ours) > 0
	if err := t.Claim(b.cfg.Name, b.Had, "OpenDKIM", path); err != nil {
		return err
	}
	b.unclaimed = b.unclaimed || anothers
	return nil
}

func (b *batch) indexLines() {
	b.foreign = foreignLines{names: map[string]flatfile.Entry{}, uses: map[string][]string{},
		leads: map[string][]foreignUse{}}
	for name, value := range flatfile.Records(b.keyTab.Foreign, false) {
		b.foreign.names[name], _ = flatfile.ParseEntry(value)
	}
	for pattern, value := range flatfile.Records(b.signTab.Foreign, b.refile) {
		name, pattern := flatfile.EntryName(value), strings.ToLower(pattern)
		b.foreign.uses[name] = append(b.foreign.uses[name], pattern)
		if e, ok := b.view.Entries[name]; ok && e.Domain != "" {
			_, domain, _ := strings.Cut(pattern, "@")
			if e.Domain != "%" {
				domain = strings.ToLower(e.Domain)
			}
			b.foreign.leads[domain] = append(b.foreign.leads[domain], foreignUse{pattern, e.Selector})
		}
	}
	b.own = map[string][]string{}
	for name, value := range b.keyTab.Ours {
		if e, ok := flatfile.ParseEntry(value); ok {
			b.own[e.Domain] = append(b.own[e.Domain], name)
		}
	}
}

// pattern is our SigningTable key for a domain.
func (s *Signer) pattern(domain string) string {
	if s.refile {
		return "*@" + domain
	}
	return domain
}

// shadows reports that our line for a domain is found before one with this
// pattern, whoever writes. In a refile ours comes first; in a plain file the
// daemon asks for the whole address before the domain.
func (s *Signer) shadows(domain, pattern string) bool {
	if !s.refile {
		return pattern == domain
	}
	return strings.HasSuffix(pattern, "@"+domain)
}

// entryName is the name of our KeyTable entry for a job. Where the operator's own
// entry for the same selector has the usual name, as after an adoption, ours takes another.
func (b *batch) entryName(j *job) string {
	if e, taken := b.foreign.names[j.String()]; taken && strings.EqualFold(e.Domain, j.Domain) &&
		e.Selector == j.Selector {
		return "dkimbot." + j.String()
	}
	return j.String()
}

// screen drops the domains whose lines would meet other people's, and notes
// what signs now. What other people's lines have in force is taken over.
func (b *batch) screen() {
	for _, j := range b.jobs {
		if use, ok := b.view.Domain(j.Domain); ok {
			j.before = &use
			if use == b.written(j.Domain) && use.Selector == j.Selector && b.holds(use.Path, j) {
				j.inForce, j.path = true, use.Path
				continue
			}
		}
		if remedy, err := b.foreign.clash(b, j); err != nil {
			b.Failed[j.Domain] = &fault.Error{Kind: fault.Refused, Code: codes.ForeignSignerLine, What: b.What(j.Name), Err: err,
				Hint: remedy + ". Don't reload opendkim after that: until then it signs as before. " +
					"The next try writes the domain's own lines and reloads"}
		}
	}
	b.dropFailed()
}

// written returns what our own lines have a domain signed with.
func (b *batch) written(domain string) flatfile.InUse {
	e, _ := flatfile.ParseEntry(b.keyTab.Ours[b.signTab.Ours[b.pattern(domain)]])
	return flatfile.InUse{Selector: e.Selector, Path: e.Path}
}

func (b *batch) holds(path string, j *job) bool {
	data, err := keyfiles.ReadKey(path)
	return err == nil && keyfiles.SameKey(data, j.pem(), j.Ref().KeyID)
}

// ownWay is what to do with a line of others that signs with a key of ours. It may be the only one that signs mail of
// subdomains, which must not become unsigned by it (I1).
const ownWay = "give that line an entry of another selector with a key of its own, whose record is in DNS before; " +
	"or take it out: mail that no other line signs, such as that of subdomains, leaves unsigned then, so list those " +
	"as domains of their own first and wait until 'status' shows them as ready"

// clash returns why j can't be carried out beside the foreign lines, and what to do about it. A foreign
// SigningTable line that uses one of our names, or leads to one of our selectors
// by an entry of its own, would continue signing with a key whose record is about to
// be replaced; one that ours is found before does no harm.
func (f foreignLines) clash(b *batch, j *job) (remedy string, why error) {
	name := b.entryName(j)
	if _, taken := f.names[name]; taken {
		return "give that entry another name in both tables",
			fmt.Errorf("%s has a line for %s that dkimbot did not write", b.keyTable, name)
	}
	selectors := []string{j.Selector}
	for _, own := range b.own[j.Domain] {
		e, _ := flatfile.ParseEntry(b.keyTab.Ours[own])
		selectors = append(selectors, e.Selector)
	}
	for _, use := range f.leads[j.Domain] {
		if slices.Contains(selectors, use.selector) && !b.shadows(j.Domain, use.pattern) {
			return ownWay, fmt.Errorf("%s has a line for %s that dkimbot did not write and that signs as %s with %s, "+
				"whose key dkimbot replaces", b.signTable, use.pattern, j.Domain, use.selector)
		}
	}
	for _, own := range append(b.own[j.Domain], name) {
		for _, pattern := range f.uses[own] {
			if pattern != b.pattern(j.Domain) {
				return ownWay, fmt.Errorf("%s has a line for %s that dkimbot did not write and that uses its entry %s",
					b.signTable, pattern, own)
			}
		}
	}
	return "", nil
}

// plan works out the lines of each job and sets them in both tables. The
// KeyTable keeps the entry that our SigningTable line uses now, so that the old
// SigningTable stays valid; entries older than that go.
func (b *batch) plan() {
	for _, j := range b.jobs {
		if j.before != nil && *j.before == (flatfile.InUse{Selector: j.Selector, Path: j.path}) {
			continue
		}
		name, pattern := b.entryName(j), b.pattern(j.Domain)
		used := b.signTab.Ours[pattern]
		j.signing = change{pattern, used, name}
		b.changeKey(j, name, j.Domain+":"+j.Selector+":"+j.path)
		for _, old := range b.own[j.Domain] {
			if old != name && old != used {
				b.changeKey(j, old, "")
			}
		}
		b.signTab.Set(pattern, name)
		j.overruled = !j.changed() || slices.Contains(b.signTab.Numbers, b.view.Signing.Line(j.Domain))
	}
}

func (b *batch) changeKey(j *job, name, after string) {
	before := b.keyTab.Ours[name]
	if before == after {
		return
	}
	j.keys = append(j.keys, change{name, before, after})
	b.keyTab.Set(name, after)
}

// table is a flat file of OpenDKIM: our block, which is found first, and everything else.
type table = block.Table

var flat = block.Format{Fields: 2}

// change is one line of our block before and after; "" is no line.
type change struct {
	key, before, after string
}
