package exim

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// What Exim makes of a lookup file: this file reads it as lsearch does (lookups/lsearch.c, and extract in expand.c).

const blank = " \t\r\n\v\f"

// entries returns the value of each key in lower case, the first one that stands there. A line that begins with
// white space continues the one before.
func entries(data []byte) map[string]string {
	out := map[string]string{}
	key, value := "", ""
	done := func() {
		if _, twice := out[key]; key != "" && !twice {
			out[key] = value
		}
		key = ""
	}
	for line := range bytes.Lines(data) {
		text := strings.TrimRight(string(line), blank)
		switch {
		case text == "" || text[0] == '#':
		case strings.ContainsRune(blank, rune(text[0])):
			value += " " + strings.TrimLeft(text, blank)
		default:
			done()
			key, value = split(text)
		}
	}
	done()
	return out
}

// split cuts a line into its key, which may stand in quotes, and the value.
func split(line string) (key, value string) {
	if strings.HasPrefix(line, `"`) {
		end := strings.IndexByte(line[1:], '"') + 1
		if end < 1 {
			return "", ""
		}
		key, value = line[1:end], line[end+1:]
	} else {
		end := strings.IndexAny(line, ":"+blank)
		if end < 0 {
			end = len(line)
		}
		key, value = line[:end], line[end:]
	}
	value = strings.TrimLeft(value, blank)
	return strings.ToLower(key), strings.TrimLeft(strings.TrimPrefix(value, ":"), blank)
}

// inUse is what a domain is signed with.
type inUse struct{ selector, file string }

var errSeveral = errors.New("several selectors stand there, and Exim signs with each")

// errOther says that a transport of Exim reads the file in another way: it would find no key in lines of ours, and
// send mail unsigned (I1).
var errOther = errors.New("a line has no selector= and privkey=: Exim reads the file in another way")

// use reads selector and key file from a value; none when Exim would not sign.
func use(value string) (u inUse, err error) {
	u = inUse{selector: extract(value, "selector"), file: extract(value, "privkey")}
	switch {
	case strings.ContainsAny(u.selector, ":;,") || strings.HasPrefix(u.selector, "<"):
		return inUse{}, errSeveral
	case u.selector == "" && u.file == "" && strings.Trim(value, blank) != "" &&
		!strings.Contains(strings.ToLower(value), "selector"):
		return inUse{}, errOther
	case u.selector == "" || u.file == "" || u.file == "0" || u.file == "false":
		return inUse{}, nil
	}
	return u, nil
}

// extract returns the value of name in a list of name=value.
func extract(list, name string) string {
	for list = strings.TrimLeft(list, blank); list != ""; {
		end := strings.IndexAny(list, "="+blank)
		if end < 0 {
			return ""
		}
		found := list[:end]
		list = strings.TrimLeft(list[end:], blank)
		list = strings.TrimLeft(strings.TrimPrefix(list, "="), blank)
		value := ""
		if strings.HasPrefix(list, `"`) {
			value, list, _ = strings.Cut(list[1:], `"`)
		} else {
			end := strings.IndexAny(list, blank)
			if end < 0 {
				end = len(list)
			}
			value, list = list[:end], list[end:]
		}
		if strings.EqualFold(found, name) {
			return value
		}
		list = strings.TrimLeft(list, blank)
	}
	return ""
}

// continued refuses lines of others that would continue our last line, as our block comes first.
func continued(path string, foreign []byte) error {
	for line := range bytes.Lines(foreign) {
		text := strings.TrimRight(string(line), blank)
		if text == "" || text[0] == '#' {
			continue
		}
		if !strings.ContainsRune(blank, rune(text[0])) {
			return nil
		}
		return &fault.Error{Kind: fault.Refused, Code: codes.UnloadableLine, What: "edit table " + path,
			Err: fmt.Errorf("its first line %.60q begins with white space, "+
				"so that Exim would read it with the line before", text),
			Hint: "remove that line, or the white space at its beginning"}
	}
	return nil
}

// firstOf returns the number of the first of some lines that names a domain; 0 for none.
func firstOf(domain string, lines []byte, numbers []int) int {
	n := 0
	for line := range bytes.Lines(lines) {
		text := strings.TrimRight(string(line), blank)
		if key, _ := split(text); text != "" && text[0] != '#' && key == domain {
			return numbers[n]
		}
		n++
	}
	return 0
}

// otherwise refuses a file of which a foreign line says that Exim does not read it as ours are written.
func otherwise(path string, foreign []byte) error {
	for _, value := range entries(foreign) {
		if _, err := use(value); errors.Is(err, errOther) {
			return &fault.Error{Kind: fault.Refused, Code: codes.ForeignSignerLine, What: "edit table " + path, Err: errOther,
				Hint: "give dkimbot a file of its own, and let dkim_selector and dkim_private_key look both up there; " +
					"see examples/exim"}
		}
	}
	return nil
}
