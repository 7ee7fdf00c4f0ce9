package master

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// generate makes the records of BIND's $GENERATE: a range, an owner, and what
// follows in a record, with the number in place of each dollar sign. BIND
// takes one word for the data, in quotes if it has spaces; more are taken here, as in PowerDNS.
func (r *Reader) generate(s *scope, args []string) error {
	start, stop, step, err := parseRange(unquote(args[0]))
	if err != nil {
		return err
	}
	if err := r.made.more((stop-start)/step + 1); err != nil {
		return err
	}
	line := Record{Origin: s.origin, file: s.shown, At: s.at}
	ttl, data, err := line.readType(args[2:])
	if err != nil {
		return err
	}
	text := strings.Join(data, " ")
	if len(data) == 1 {
		text = strings.ReplaceAll(unquote(text), `\"`, `"`)
	}
	for n := start; n <= stop; n += step {
		rec := line
		owner, err := substitute(unquote(args[1]), n)
		if err != nil {
			return err
		}
		if rec.Owner, err = absoluteName(owner, s.origin); err != nil {
			return err
		}
		if rec.Data, err = substitute(text, n); err != nil {
			return err
		}
		if rec.Data, err = NormalWords(rec.Kind, rec.Data); err != nil {
			return err
		}
		if err := r.made.count(len(rec.Owner) + len(rec.Data)); err != nil {
			return err
		}
		if err := r.add(rec, ttl); err != nil {
			return err
		}
	}
	return nil
}

// parseRange reads start-stop or start-stop/step.
func parseRange(word string) (start, stop, step int, err error) {
	m := regexp.MustCompile(`^(\d{1,9})-(\d{1,9})(?:/(\d{1,9}))?$`).FindStringSubmatch(word)
	if m == nil {
		return 0, 0, 0, quote("not a range", word)
	}
	start, _ = strconv.Atoi(m[1])
	stop, _ = strconv.Atoi(m[2])
	if step = 1; m[3] != "" {
		step, _ = strconv.Atoi(m[3])
	}
	if start > stop || step < 1 {
		return 0, 0, 0, quote("not a range", word)
	}
	return start, stop, step, nil
}

// substitute puts n in place of each $ and ${offset,width,base}; $$ is a dollar
// sign, and a backslash keeps what follows it as it is. A width makes much of a little text.
func substitute(text string, n int) (string, error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if b.Len() > len(text)+maxGrowth {
			return "", errors.New("$GENERATE makes a record that is too long")
		}
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			b.WriteString(text[i : i+2])
			i++
		case c == '$' && i+1 < len(text) && text[i+1] == '$':
			b.WriteByte('$')
			i++
		case c == '$' && i+1 < len(text) && text[i+1] == '{':
			end := strings.IndexByte(text[i:], '}')
			if end < 0 {
				return "", errors.New("${ has no }")
			}
			number, err := formatted(text[i+2:i+end], n)
			if err != nil {
				return "", err
			}
			b.WriteString(number)
			i += end
		case c == '$':
			b.WriteString(strconv.Itoa(n))
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), nil
}

// formatted renders n as offset,width,base says.
func formatted(format string, n int) (string, error) {
	m := regexp.MustCompile(`^(-?\d{1,9})(?:,(\d{1,3})(?:,([doxXnN]))?)?$`).FindStringSubmatch(format)
	if m == nil {
		return "", quote("not offset, width and base of $GENERATE", format)
	}
	offset, _ := strconv.Atoi(m[1])
	width, _ := strconv.Atoi(m[2])
	n += offset
	bits := uint32(n) // of a negative number too, as in BIND
	switch m[3] {
	case "", "d":
		return fmt.Sprintf("%0*d", width, n), nil
	case "o":
		return fmt.Sprintf("%0*o", width, bits), nil
	case "x":
		return fmt.Sprintf("%0*x", width, bits), nil
	case "X":
		return fmt.Sprintf("%0*X", width, bits), nil
	case "N":
		return strings.ToUpper(nibbles(bits, width)), nil
	}
	return nibbles(bits, width), nil
}

// nibbles renders n as a name of hexadecimal digits, the last one first, as
// names below ip6.arpa are made. The dots count in the width.
func nibbles(n uint32, width int) string {
	var b strings.Builder
	for {
		b.WriteByte("0123456789abcdef"[n&15])
		n >>= 4
		if width--; width > 0 || n != 0 {
			b.WriteByte('.')
			width--
		}
		if n == 0 && width <= 0 {
			return b.String()
		}
	}
}
