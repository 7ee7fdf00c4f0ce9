package opendkim

import (
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"
)

// The lines round our block. They are found by their first words, so that the
// rest may be reworded.
const (
	beginMark = "# BEGIN dkimbot"
	endMark   = "# END dkimbot"
	beginLine = beginMark + ": these lines are rewritten; put others below the end of the block\n"
	endLine   = endMark + "\n"
)

// table is a flat file of OpenDKIM: our block and everything else.
type table struct {
	ours    map[string]string // key to value, as in the lines of our block
	foreign []byte            // the bytes outside of the block, in their order
}

var errDamagedBlock = errors.New("the begin and end lines of dkimbot's block don't pair up")

// parseTable cuts data. Lines inside the block that we can't have written count
// as foreign; they come before what follows the block.
func parseTable(data []byte) (table, error) {
	t := table{ours: map[string]string{}}
	inside, blocks := false, 0
	for line := range bytes.Lines(data) {
		text := strings.TrimSpace(string(line))
		switch {
		case strings.HasPrefix(text, beginMark):
			if blocks++; blocks > 1 {
				return table{}, errDamagedBlock
			}
			inside = true
		case strings.HasPrefix(text, endMark):
			if !inside {
				return table{}, errDamagedBlock
			}
			inside = false
		case inside && t.take(text):
		default:
			t.foreign = append(t.foreign, line...)
		}
	}
	if inside {
		return table{}, errDamagedBlock
	}
	return t, nil
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
	b.WriteString(beginLine)
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
