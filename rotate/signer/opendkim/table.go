package opendkim

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The lines round our block. They are found by their first words, so that the
// rest may be reworded.
const (
	beginMark = "# BEGIN dkimbot"
	endMark   = "# END dkimbot"
	beginLine = beginMark + beginRest // as older versions wrote it
	beginRest = ": these lines are rewritten; put others below the end of the block\n"
	endLine   = endMark + "\n"
)

// table is a flat file of OpenDKIM: our block and everything else.
type table struct {
	signer  string            // whose block it is; "" when there is none, or an older version wrote it
	ours    map[string]string // key to value, as in the lines of our block
	foreign []byte            // the bytes outside of the block, in their order
}

var errDamagedBlock = errors.New("the begin and end lines of dkimbot's block don't pair up")

// parseTable cuts data. Lines inside the block that we can't have written count
// as foreign; they come before what follows the block.
func parseTable(data []byte) (table, error) {
	t, _, err := cutTable(data)
	return t, err
}

// cutTable is parseTable; it returns the numbers of the foreign lines in the file, too.
func cutTable(data []byte) (t table, numbers []int, err error) {
	t = table{ours: map[string]string{}}
	inside, blocks, n := false, 0, 0
	for line := range bytes.Lines(data) {
		n++
		text := strings.TrimSpace(string(line))
		switch {
		case strings.HasPrefix(text, beginMark):
			if blocks++; blocks > 1 {
				return table{}, nil, errDamagedBlock
			}
			inside, t.signer = true, signerOf(text)
		case strings.HasPrefix(text, endMark):
			if !inside {
				return table{}, nil, errDamagedBlock
			}
			inside = false
		case inside && t.take(text):
		default:
			t.foreign, numbers = append(t.foreign, line...), append(numbers, n)
		}
	}
	if inside {
		return table{}, nil, errDamagedBlock
	}
	return t, numbers, nil
}

// firstLine is the first line of a signer's block. The name in it keeps two signers from
// taking one host's tables for their own.
func firstLine(signer string) string {
	if signer == "" {
		return beginLine
	}
	return beginMark + " for signer " + strconv.Quote(signer) + beginRest
}

// signerOf returns the signer that a first line names.
func signerOf(line string) string {
	_, rest, _ := strings.Cut(line, beginMark+" for signer ")
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return ""
	}
	name, _ := strconv.Unquote(quoted)
	return name
}

// take adds a line of our block and reports whether it can be ours.
func (t *table) take(text string) bool {
	f := strings.Fields(text)
	if len(f) != 2 || strings.Contains(text, "#") {
		return false
	}
	if _, twice := t.ours[f[0]]; !twice { // the first one is in force
		t.ours[f[0]] = f[1]
	}
	return true
}

// bytes renders the table, our block first.
func (t table) bytes() []byte {
	if len(t.ours) == 0 {
		return slices.Clone(t.foreign)
	}
	var b bytes.Buffer
	b.WriteString(firstLine(t.signer))
	for _, key := range slices.Sorted(maps.Keys(t.ours)) {
		b.WriteString(key + " " + t.ours[key] + "\n")
	}
	b.WriteString(endLine)
	b.Write(t.foreign)
	return b.Bytes()
}

// change is one line of our block before and after; "" is no line.
type change struct {
	key, before, after string
}

func (t table) set(key, value string) {
	if value == "" {
		delete(t.ours, key)
		return
	}
	t.ours[key] = value
}
