// Package block keeps dkimbot's lines in a text file that others write, too: a marked block, and everything else byte
// for byte as it was (I6).
//
// It knows no files. The adapters in rotate/signer use it; it may import the leaves.
package block

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// The lines round our block. They are found by their first words, so that the
// rest may be reworded.
const (
	Begin     = "# BEGIN dkimbot"
	End       = "# END dkimbot"
	beginRest = ": these lines are rewritten; put others below the end of the block\n"
	lastRest  = ": these lines are rewritten; put others above them\n"
	endLine   = End + "\n"
)

// Format is how a program writes a table, and where our block stands in it: where that program finds it first.
type Format struct {
	Colon  bool   // behind the key
	Fields int    // in a line, with the key
	Last   bool   // a later line counts: the block stands below the others
	Head   string // a line that begins the block, "" for none: a program needs it before the others
}

// Overruled says that a line of others counts for a domain, and dkimbot's own does not, for people.
func Overruled(path string, line int, domain string) string {
	return fmt.Sprintf("line %d of %s, which dkimbot did not write, counts for %s and not dkimbot's own", line, path, domain)
}

// Table is a text file: our block and everything else.
type Table struct {
	Format  Format
	Signer  string            // whose block it is; "" when there is none, or an older version wrote it
	Ours    map[string]string // key to value, as in the lines of our block
	Foreign []byte            // the bytes outside of the block, in their order
	Numbers []int             // of the foreign lines in the file
}

var errDamaged = errors.New("the begin and end lines of dkimbot's block don't pair up")

// Parse cuts data. Lines inside the block that we can't have written count
// as foreign; they come before what follows the block.
func (f Format) Parse(data []byte) (Table, error) {
	t := Table{Format: f, Ours: map[string]string{}}
	inside, blocks, n := false, 0, 0
	for line := range bytes.Lines(data) {
		n++
		text := strings.TrimSpace(string(line))
		switch {
		case strings.HasPrefix(text, Begin):
			if blocks++; blocks > 1 {
				return Table{}, errDamaged
			}
			inside, t.Signer = true, signerOf(text)
		case strings.HasPrefix(text, End):
			if !inside {
				return Table{}, errDamaged
			}
			inside = false
		case inside && f.Head != "" && text == f.Head:
		case inside && t.take(text):
		default:
			t.Foreign, t.Numbers = append(t.Foreign, line...), append(t.Numbers, n)
		}
	}
	if inside {
		return Table{}, errDamaged
	}
	return t, nil
}

// FirstLine is the first line of a signer's block. The name in it keeps two signers from
// taking one host's tables for their own.
func (f Format) FirstLine(signer string) string {
	rest := beginRest
	if f.Last {
		rest = lastRest
	}
	if signer == "" {
		return Begin + rest
	}
	return Begin + " for signer " + strconv.Quote(signer) + rest
}

// signerOf returns the signer that a first line names.
func signerOf(line string) string {
	_, rest, _ := strings.Cut(line, Begin+" for signer ")
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return ""
	}
	name, _ := strconv.Unquote(quoted)
	return name
}

// Owner returns the signer that a table's block names; "" for none.
func Owner(data []byte) string {
	for line := range bytes.Lines(data) {
		if text := strings.TrimSpace(string(line)); strings.HasPrefix(text, Begin) {
			return signerOf(text)
		}
	}
	return ""
}

// Filled reports whether a table's block has lines between its first and its last.
func Filled(data []byte) bool {
	inside := false
	for line := range bytes.Lines(data) {
		switch text := strings.TrimSpace(string(line)); {
		case strings.HasPrefix(text, Begin):
			inside = true
		case strings.HasPrefix(text, End):
			inside = false
		case inside && text != "" && text[0] != '#':
			return true
		}
	}
	return false
}

// take adds a line of our block and reports whether it can be ours.
func (t *Table) take(text string) bool {
	f := strings.Fields(text)
	if len(f) != t.Format.Fields || strings.Contains(text, "#") {
		return false
	}
	key := f[0]
	if t.Format.Colon {
		if !strings.HasSuffix(key, ":") {
			return false
		}
		key = strings.TrimSuffix(key, ":")
	}
	if _, twice := t.Ours[key]; !twice || t.Format.Last { // the first one is in force, or the last one
		t.Ours[key] = strings.Join(f[1:], " ")
	}
	return true
}

// Bytes renders the table.
func (t Table) Bytes() []byte {
	if len(t.Ours) == 0 {
		return slices.Clone(t.Foreign)
	}
	var b bytes.Buffer
	if t.Format.Last {
		b.Write(t.Foreign)
		if n := len(t.Foreign); n > 0 && t.Foreign[n-1] != '\n' {
			b.WriteByte('\n')
		}
	}
	b.WriteString(t.Format.FirstLine(t.Signer))
	if t.Format.Head != "" {
		b.WriteString(t.Format.Head + "\n")
	}
	between := " "
	if t.Format.Colon {
		between = ": "
	}
	for _, key := range slices.Sorted(maps.Keys(t.Ours)) {
		b.WriteString(key + between + t.Ours[key] + "\n")
	}
	b.WriteString(endLine)
	if !t.Format.Last {
		b.Write(t.Foreign)
	}
	return b.Bytes()
}

// Set makes a line of our block this; "" is no line.
func (t Table) Set(key, value string) {
	if value == "" {
		delete(t.Ours, key)
		return
	}
	t.Ours[key] = value
}

// Damaged is the fault of a table that Parse can't cut.
func Damaged(path string, err error) error {
	return &fault.Error{Kind: fault.Refused, Code: codes.DamagedBlock, What: "edit table " + path, Err: err,
		Hint: fmt.Sprintf("put the lines %q and %q back, once each, round the lines that dkimbot wrote; "+
			"keep those: the signer signs by them", Begin, End)}
}

// Claim makes the block in a table this signer's, unless it is another's: two that take turns
// on one host would each undo what the other did (I8). had reports whether the signer had a name before; program is the
// daemon.
func (t *Table) Claim(signer string, had func(name string) bool, program, path string) error {
	if t.Signer != "" && t.Signer != signer && !had(t.Signer) {
		return &fault.Error{Kind: fault.Refused, Code: codes.OtherSigner,
			What: "edit table " + path + " for signer " + signer,
			Err:  fmt.Errorf("its block belongs to signer %q", t.Signer),
			Hint: fmt.Sprintf("one %s is one signer, under one name, in one configuration: "+
				"call it %s, or let only one of them change these tables; "+
				"where it was renamed, write was: %s for signer %s in the configuration", program, t.Signer, t.Signer, signer)}
	}
	t.Signer = signer
	return nil
}
