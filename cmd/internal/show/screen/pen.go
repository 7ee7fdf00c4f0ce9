package screen

import (
	"cmp"
	"fmt"
	"io"
	"time"
)

// Pen writes for people. The zero Pen writes without colour.
type Pen struct {
	W     io.Writer
	Color bool
	Mark  string    // stands before each colour, for the Screen that W leads to; "": W is none
	Now   time.Time // times are reported relative to it as well
}

// Line writes one fact behind its label, or nothing when there is none.
func (p Pen) Line(indent, label, text string) {
	if text != "" {
		fmt.Fprintf(p.W, "%s%s %s\n", indent, p.Dim(fmt.Sprintf("%-5s", label)), text)
	}
}

// escapeBegin begins a colour where no Screen has a say.
const escapeBegin = "\x1b["

func (p Pen) paint(code, s string) string {
	if !p.Color || s == "" {
		return s
	}
	begin := cmp.Or(p.Mark, escapeBegin)
	return begin + code + "m" + s + begin + "0m"
}

// Bold returns s so that it stands out where there is colour.
func (p Pen) Bold(s string) string { return p.paint("1", s) }

// Dim returns s so that it steps back.
func (p Pen) Dim(s string) string { return p.paint("2", s) }

// Red returns s as what is wrong.
func (p Pen) Red(s string) string { return p.paint("31", s) }

// Green returns s as what is well.
func (p Pen) Green(s string) string { return p.paint("32", s) }

// Yellow returns s as what is to be looked at.
func (p Pen) Yellow(s string) string { return p.paint("33", s) }
