package opendkim

import (
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// foreignLines is what other people's lines say that concerns us.
type foreignLines struct {
	names map[string]bool     // KeyTable names that they define
	uses  map[string][]string // KeyTable names that their SigningTable lines use, to the patterns
}

// readTables reads and cuts both tables and the marker. It refuses a damaged block.
func (b *batch) readTables() error {
	what := "read the tables of signer " + b.cfg.Name
	keys, err := readTable(b.keyTable)
	if err != nil {
		return b.fileFault(what, err)
	}
	sign, err := readTable(b.signTable)
	if err != nil {
		return b.fileFault(what, err)
	}
	if b.keyTab, err = parseTable(keys); err != nil {
		return damaged(b.keyTable, err)
	}
	if b.signTab, err = parseTable(sign); err != nil {
		return damaged(b.signTable, err)
	}
	if b.marker, err = b.readPending(); err != nil {
		return fault.Lasting(what, err, "remove the file; the next run then writes and reloads as needed")
	}
	b.view = tablesView{names: keyNames(keys), signing: readSigning(sign, b.refile)}
	b.indexLines()
	return nil
}

func damaged(path string, err error) error {
	return &fault.Error{Kind: fault.Refused, Code: "damaged-block", What: "edit table " + path, Err: err,
		Hint: fmt.Sprintf("put the line %q back below the lines that dkimbot wrote, or remove the block altogether", endMark)}
}

func (b *batch) indexLines() {
	b.foreign = foreignLines{names: map[string]bool{}, uses: map[string][]string{}}
	for name := range records(b.keyTab.foreign, false) {
		b.foreign.names[name] = true
	}
	for pattern, value := range records(b.signTab.foreign, b.refile) {
		name := keyNameOf(value)
		b.foreign.uses[name] = append(b.foreign.uses[name], strings.ToLower(pattern))
	}
	b.own = map[string][]string{}
	for name, value := range b.keyTab.ours {
		if e, ok := parseKeyEntry(value); ok {
			b.own[e.domain] = append(b.own[e.domain], name)
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

// screen drops the domains whose lines would meet other people's, and notes
// what signs now.
func (b *batch) screen() {
	for _, j := range b.jobs {
		if use, ok := b.view.domain(j.Domain); ok {
			j.before = &use
			if use.Selector == j.Selector && b.holds(use.Path, j) {
				j.inForce, j.path = true, use.Path
				continue
			}
		}
		if err := b.foreign.clash(b, j); err != nil {
			b.failed[j.Domain] = &fault.Error{Kind: fault.Refused, Code: "foreign-signer-line", What: b.what(j.Name), Err: err,
				Hint: "remove that line or give its entry another name; dkimbot writes the lines of its domains itself"}
		}
	}
	b.dropFailed()
}

func (b *batch) holds(path string, j *job) bool {
	data, err := readTable(path)
	return err == nil && sameKey(data, j.Key.PEM(), j.Key.ID())
}

// clash returns why j can't be carried out beside the foreign lines. A foreign
// SigningTable line that uses one of our names would go on signing with a key
// whose record is about to be replaced; one for the same addresses as ours does
// no harm, because ours is found first.
func (f foreignLines) clash(b *batch, j *job) error {
	if f.names[j.String()] {
		return fmt.Errorf("%s has a line for %s that dkimbot did not write", b.keyTable, j.Name)
	}
	for _, name := range append(b.own[j.Domain], j.String()) {
		for _, pattern := range f.uses[name] {
			if pattern != b.pattern(j.Domain) {
				return fmt.Errorf("%s has a line for %s that dkimbot did not write and that uses its entry %s", b.signTable, pattern, name)
			}
		}
	}
	return nil
}

// plan works out the lines of each job and sets them in both tables. The
// KeyTable keeps the entry that our SigningTable line uses now, so that the old
// SigningTable stays valid; entries older than that go.
func (b *batch) plan() {
	for _, j := range b.jobs {
		if j.before != nil && *j.before == (inUse{Selector: j.Selector, Path: j.path}) {
			continue
		}
		name, pattern := j.String(), b.pattern(j.Domain)
		used := b.signTab.ours[pattern]
		j.signing = change{pattern, used, name}
		b.changeKey(j, name, j.Domain+":"+j.Selector+":"+j.path)
		for _, old := range b.own[j.Domain] {
			if old != name && old != used {
				b.changeKey(j, old, "")
			}
		}
		b.signTab.set(pattern, name)
	}
}

func (b *batch) changeKey(j *job, name, after string) {
	before := b.keyTab.ours[name]
	if before == after {
		return
	}
	j.keys = append(j.keys, change{name, before, after})
	b.keyTab.set(name, after)
}
