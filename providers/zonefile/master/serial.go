package master

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// serialSpans returns where the serial stands in the data of an SOA record: one
// number, or eight hexadecimal digits in the form of RFC 3597.
func serialSpans(tokens []Span, words []string) ([]Span, error) {
	if words[0] != `\#` {
		if len(words) < 3 {
			return nil, errors.New("the SOA record has no serial")
		}
		at := tokens[2]
		if words[2][0] == '"' {
			at = Span{at.Start + 1, at.End - 1}
		}
		return []Span{at}, nil
	}
	var digits []Span
	for _, t := range tokens[min(2, len(tokens)):] {
		for i := t.Start; i < t.End; i++ {
			digits = append(digits, Span{i, i + 1})
		}
	}
	// The serial and four more numbers of four bytes stand at the end.
	if len(digits) < 40 {
		return nil, errors.New("the SOA record has no serial")
	}
	return digits[len(digits)-40 : len(digits)-32], nil
}

// ReadSerial returns the number that stands at the spans.
func ReadSerial(text string, at []Span) (uint32, error) {
	if len(at) == 1 {
		n, err := strconv.ParseUint(at[0].Of(text), 10, 32)
		return uint32(n), err
	}
	digits := ""
	for _, s := range at {
		digits += s.Of(text)
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	return uint32(n), err
}

// WriteSerial returns what to write at the spans.
func WriteSerial(at []Span, serial uint32) []Patch {
	if len(at) == 1 {
		return []Patch{{at[0], strconv.FormatUint(uint64(serial), 10)}}
	}
	var out []Patch
	for i, digit := range fmt.Sprintf("%08x", serial) {
		out = append(out, Patch{at[i], string(digit)})
	}
	return out
}

// NextSerial returns a serial that is greater than old in the arithmetic of RFC
// 1982. A serial of the form YYYYMMDDnn moves on to today's first; any other, or
// one that is there already, grows by one. 0 is left out: some servers give it a meaning.
func NextSerial(old uint32, now time.Time) uint32 {
	if day, ok := serialDay(old); ok {
		today := now.UTC()
		if today.Truncate(24 * time.Hour).After(day) {
			return uint32(today.Year()*1000000+int(today.Month())*10000+today.Day()*100) + 1
		}
	}
	if old+1 == 0 {
		return 1
	}
	return old + 1
}

// serialDay returns the day of a serial of the form YYYYMMDDnn.
func serialDay(serial uint32) (time.Time, bool) {
	n := int(serial / 100)
	year, month, day := n/10000, time.Month(n/100%100), n%100
	t := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	// Years of the DNS only; anything else is a number that happens to look so.
	return t, year >= 1980 && year < 2100 && t.Month() == month && t.Day() == day
}

// Patch is a piece of text to write in place of another.
type Patch struct {
	At   Span
	Text string
}
