package onhost

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/dkimbot/dkimbot/rotate/signer/found"
)

// Conf is an opendkim.conf with the files that it includes: values by name in lower case. A
// name that stands twice has its last value, as the program reads it.
type Conf struct {
	values map[string]string
}

// ReadConf reads the file at path, and what it includes.
func ReadConf(h found.Host, path string) (Conf, error) {
	c := Conf{values: map[string]string{}}
	return c, c.read(h, path, 0)
}

// Value returns the value of a name in lower case, "" where it is not given.
func (c Conf) Value(name string) string { return c.values[name] }

// mostIncluded is how deep opendkim.conf(5) lets files include each other.
const mostIncluded = 5

func (c *Conf) read(h found.Host, path string, depth int) error {
	if depth > mostIncluded {
		return fmt.Errorf("%s is included too deeply", path)
	}
	text, err := h.ReadTrusted(path)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(text) {
		words, _, _ := strings.Cut(string(line), "#")
		name, value := strings.TrimSpace(words), ""
		if i := strings.IndexAny(name, " \t"); i >= 0 {
			name, value = name[:i], strings.TrimSpace(name[i:])
		}
		switch name = strings.ToLower(name); {
		case name == "":
		case name == "include":
			if err := c.read(h, value, depth+1); err != nil {
				return err
			}
		default:
			c.values[name] = value
		}
	}
	return nil
}

// is reports whether a setting that is yes or no is as asked for; it counts as usual where it is left out.
func (c *Conf) is(name string, usual bool) bool {
	switch strings.ToLower(c.values[name]) {
	case "yes", "true", "t", "y", "1", "on":
		return true
	case "no", "false", "f", "n", "0", "off":
		return false
	}
	return usual
}

// openDKIM is an OpenDKIM as it runs, or as it would be started.
type openDKIM struct {
	conf  string
	flags map[string]string
	unit  string // of systemd; "" when it does not run, or no unit started it
}

// openDKIMs returns those of a host: those that run, and the one with the usual configuration.
func openDKIMs(h found.Host) (out []openDKIM) {
	add := func(d openDKIM) {
		if !slices.ContainsFunc(out, func(o openDKIM) bool { return o.conf == d.conf }) {
			out = append(out, d)
		}
	}
	usual := usualOpenDKIM(h)
	for _, running := range h.Running("opendkim", "opendkim") {
		given := flagsOf(running.Line)
		switch path := given["-x"]; {
		case filepath.IsAbs(path) && !strings.ContainsFunc(path, unicode.IsControl):
			add(openDKIM{filepath.Clean(path), given, running.Unit})
		case path == "" && usual != "":
			add(openDKIM{usual, given, running.Unit})
		}
	}
	if usual != "" {
		add(openDKIM{conf: usual})
	}
	return out
}

func usualOpenDKIM(h found.Host) string {
	return h.First("/etc/opendkim.conf", "/etc/opendkim/opendkim.conf", "/usr/local/etc/mail/opendkim.conf",
		"/usr/local/etc/opendkim.conf")
}

// flagsOf returns the options of a command line that take a value, as opendkim(8) has them.
func flagsOf(line []string) map[string]string {
	out := map[string]string{}
	for i, word := range line {
		if len(word) < 2 || word[0] != '-' {
			continue
		}
		switch name := word[:2]; {
		case len(word) > 2:
			out[name] = word[2:]
		case i+1 < len(line):
			out[name] = line[i+1]
		}
	}
	return out
}
