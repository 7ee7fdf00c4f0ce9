package maps

import (
	"bytes"
	"path/filepath"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// What rspamd makes of a map: this file reads it as map_helpers.c does (rspamd_parse_kv_list).

const blank = " \t\r\n\v\f"

// entries returns the value of each key in lower case, the last one that stands there.
func entries(data []byte) map[string]string {
	out := map[string]string{}
	for line := range bytes.Lines(data) {
		text := strings.Trim(string(line), blank)
		if at := strings.IndexByte(text, '#'); at >= 0 {
			text = strings.TrimRight(text[:at], blank)
		}
		end := strings.IndexAny(text, blank)
		if end < 0 {
			continue // a key alone names no selector, and no file
		}
		key := strings.Trim(text[:end], `"`)
		out[strings.ToLower(key)] = strings.TrimLeft(text[end:], blank)
	}
	return out
}

// expand puts domain and selector into a path, as lua_util.template does.
func expand(path string, n dkim.Name) string {
	for _, v := range []struct{ name, is string }{{"domain", n.Domain}, {"selector", n.Selector}} {
		path = strings.ReplaceAll(path, "${"+v.name+"}", v.is)
		path = strings.ReplaceAll(path, "$"+v.name, v.is)
	}
	return filepath.Clean(path)
}

// template is what our lines of a map of paths say, for all domains.
func (s *Signer) template() string { return filepath.Join(s.cfg.KeyDir, template) }

// leads reports that a line of a map of paths leads to our files whatever the selector is.
func (s *Signer) leads(line, domain string) bool {
	for _, selector := range []string{"a", "b"} {
		n := dkim.Name{Domain: domain, Selector: selector}
		if expand(line, n) != filepath.Join(s.cfg.KeyDir, fileName(n)) {
			return false
		}
	}
	return true
}
