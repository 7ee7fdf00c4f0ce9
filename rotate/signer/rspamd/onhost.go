package rspamd

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/signer/found"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Where rspamd has its things when nothing is said.
const (
	rspamdDir      = "/var/lib/rspamd/dkim"
	rspamdPath     = rspamdDir + "/$domain.$selector.key"
	rspamdMap      = "/etc/rspamd/dkim_selectors.map"
	rspamdSelector = "dkim"
	rspamdUser     = "_rspamd"
)

// Programs are those that Find finds.
func (c *Config) Programs() []string { return []string{"rspamd", "mailcow"} }

// Find finds rspamd, and the one of mailcow.
func (c *Config) Find(ctx context.Context, h found.Host) []found.Signer {
	return append(findRspamd(ctx, h), findMailcow(h)...)
}

// finding is a signer while it is read.
type finding struct{ found.Signer }

// findRspamd asks rspamd's own tool for the configuration: its language has includes, variables and templates.
func findRspamd(ctx context.Context, h found.Host) []found.Signer {
	program := h.First("/usr/bin/rspamadm", "/usr/local/bin/rspamadm")
	if program == "" {
		return nil
	}
	s := finding{Signer: found.Signer{Name: "rspamd", Program: "rspamd", From: program}}
	if h.Ask == nil {
		s.Remark("its configuration is read by rspamd's own tool: run 'dkimbot init' on that host.")
		return []found.Signer{s.Signer}
	}
	var conf Dump
	out, err := h.Ask(ctx, program, "configdump", "-j", "dkim_signing")
	if err == nil {
		conf, err = ParseDump(out)
	}
	if err != nil {
		s.Remark(fmt.Sprintf("'%s configdump -j dkim_signing' can't be read: %v.", program, err))
		return []found.Signer{s.Signer}
	}
	if conf.Enabled != nil && !*conf.Enabled || !s.rspamd(h, conf) {
		return nil // it signs nothing: something else does, if anything
	}
	return []found.Signer{s.Signer}
}

// rspamd reads how mail is signed, and reports whether it is.
func (s *finding) rspamd(h found.Host, conf Dump) bool {
	switch {
	case conf.UseRedis:
		s.Remark("it reads its keys from Redis: write its section by hand, see dkimbot.yaml(5).")
		return true
	case conf.UseVault:
		s.Remark("it reads its keys from Vault: write its section by hand, see examples/rspamd-vault.")
		return true
	case conf.SigningTab != nil || conf.KeyTab != nil:
		s.Remark("it signs by signing_table and key_table, which it asks before a selector_map: " +
			"move its domains " +
			"to a selector_map, see examples/")
		return true
	}
	at, ok := MapFile(conf.SelectorMap)
	if !ok {
		s.Remark(fmt.Sprintf("its selector_map is %v, and dkimbot writes a file: name one there.",
			conf.SelectorMap))
		return true
	}
	path := cmp.Or(conf.Path, rspamdPath)
	fixed := s.rspamdFixed(h, conf, path) // it asks these first
	if at != "" {
		s.rspamdMap(h, at, path, conf.PathMap)
	}
	switch {
	case len(s.Domains) == 0 && conf.SelectorMap == nil && conf.Path != "" && !strings.Contains(conf.Path, "$"):
		s.Remark("it signs mail of every domain with the key " + conf.Path +
			": give each of them a line of a " +
			"selector_map, see examples/")
		return true
	case len(fixed) == 0 && conf.SelectorMap == nil:
		return false
	}
	dir := rspamdDir
	if filepath.Base(path) == filepath.Base(rspamdPath) && filepath.IsAbs(path) {
		dir = filepath.Dir(path)
	}
	if at == "" || len(fixed) > 0 || conf.PathMap != nil || path != dir+"/"+filepath.Base(rspamdPath) {
		move := fixed
		if conf.PathMap != nil || path != dir+"/"+filepath.Base(rspamdPath) {
			move = s.Domains // their keys stand elsewhere
		}
		s.rspamdToMap(cmp.Or(at, rspamdMap), dir, move, at == "")
		at = cmp.Or(at, rspamdMap)
	}
	s.Set("source", "maps")
	s.Set("key_dir", dir)
	s.Set("selector_map", at)
	s.Set("owner", rspamdUser)
	return true
}

// rspamdMap reads the domains of a selector_map.
func (s *finding) rspamdMap(h found.Host, at, path string, pathMap any) {
	paths := map[string]string{}
	if file, ok := MapFile(pathMap); ok && file != "" {
		paths = s.pairs(h, file)
	}
	selectors := s.pairs(h, at)
	for _, name := range slices.Sorted(maps.Keys(selectors)) {
		s.rspamdDomain(h, name, selectors[name], cmp.Or(paths[name], path))
	}
}

// pairs reads a map of rspamd: a key and a value on each line, of which the last one counts.
func (s *finding) pairs(h found.Host, file string) map[string]string {
	text, err := h.Read(file)
	if err != nil {
		s.Remark("its map " + file + " can't be read: " + err.Error() + ".")
	}
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); len(words) == 2 {
			out[words[0]] = words[1]
		}
	}
	return out
}

// rspamdDomain adds a domain, unless it is known or none.
func (s *finding) rspamdDomain(h found.Host, name, selector, path string) (d found.Domain, added bool) {
	domain, err := dkim.ParseDomain(name)
	selector, bad := dkim.ParseSelector(selector)
	if err != nil || bad != nil || slices.ContainsFunc(s.Domains, func(d found.Domain) bool { return d.Name == domain }) {
		return found.Domain{}, false
	}
	key := strings.NewReplacer("$domain", domain, "$selector", selector).Replace(path)
	d = found.Domain{Name: domain, Selector: selector, Key: key, Bits: h.Bits(key),
		Adopt: []string{"--key-file", key, "--selector", selector}}
	s.Domains = append(s.Domains, d)
	return d, true
}

// rspamdFixed adds the domains that are signed without the map: those of "domain", and those for which a key
// file of the general selector is there.
func (s *finding) rspamdFixed(h found.Host, conf Dump, path string) (fixed []found.Domain) {
	selector := cmp.Or(conf.Selector, rspamdSelector)
	add := func(name string, of DumpDomain) {
		if d, added := s.rspamdDomain(h, name, cmp.Or(of.Selector, selector), cmp.Or(of.Path, path)); added {
			s.Domains[len(s.Domains)-1].Fixed, d.Fixed = true, true
			fixed = append(fixed, d)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(conf.Domain)) {
		of := conf.Domain[name]
		if len(of.Selectors) > 0 {
			of = of.Selectors[0]
			s.Remark(name + " has a list of selectors, and each of them signs: dkimbot lets one sign.")
		}
		add(name, of)
	}
	before, after, one := strings.Cut(strings.ReplaceAll(path, "$selector", selector), "$domain")
	if !one || strings.ContainsAny(before+after, "$*?[") {
		return fixed
	}
	within := strings.TrimSuffix(h.Root, "/") + before
	files, _ := filepath.Glob(within + "*" + after) // the pattern is right
	for _, file := range files {
		add(strings.TrimSuffix(strings.TrimPrefix(file, within), after), DumpDomain{})
	}
	return fixed
}

// rspamdToMap says how rspamd comes to a selector_map that chooses the key file, which keeps keys and selectors. Lines
// are written for domains that the map does not have.
func (s *finding) rspamdToMap(at, dir string, move []found.Domain, lines bool) {
	s.Before = []string{"# dkimbot switches rspamd by its selector_map, and the selector chooses the key file. " +
		"Key and selector stay:",
		"mkdir -p " + found.Word(dir)}
	for _, d := range move {
		if file := fmt.Sprintf("%s/%s.%s.key", dir, d.Name, d.Selector); file != d.Key {
			s.Before = append(s.Before, fmt.Sprintf("cp -p %s %s", found.Word(d.Key), found.Word(file)))
		}
		if lines || d.Fixed {
			s.Before = append(s.Before, fmt.Sprintf("echo '%s %s' >>%s", d.Name, d.Selector, found.Word(at)))
		}
	}
	s.Before = append(s.Before, "touch "+found.Word(at),
		"# In /etc/rspamd/local.d/dkim_signing.conf, in the place of domain { }, selector, path and path_map:",
		`#   path = "`+dir+"/"+filepath.Base(rspamdPath)+`";`, `#   selector_map = "`+at+`";`,
		"#   try_fallback = false;", "systemctl restart rspamd")
}
