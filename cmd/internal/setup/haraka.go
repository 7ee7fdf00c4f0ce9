package setup

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/haraka"
)

// findHaraka finds Haraka by the directories that 'haraka -i' usually makes.
func findHaraka(_ context.Context, h Host) []Signer {
	from := h.first("/etc/haraka/config/smtp.ini", "/opt/haraka/config/smtp.ini", "/srv/haraka/config/smtp.ini",
		"/usr/local/haraka/config/smtp.ini", "/var/lib/haraka/config/smtp.ini", "/haraka/config/smtp.ini")
	if from == "" {
		return nil
	}
	s := Signer{Name: "haraka", Program: "Haraka", From: filepath.Dir(from)}
	s.haraka(h)
	return []Signer{s}
}

func (s *Signer) haraka(h Host) {
	plugins, err := h.read(filepath.Join(s.From, "plugins"))
	if err != nil {
		s.Remarks = append(s.Remarks, "its file plugins can't be read: "+err.Error()+".")
		return
	}
	named := slices.ContainsFunc(strings.Split(string(plugins), "\n"), func(line string) bool {
		return strings.TrimSpace(line) == "dkim"
	})
	signs := slices.Contains([]string{"true", "yes", "ok", "enabled", "on", "1"},
		strings.ToLower(iniValue(h, filepath.Join(s.From, "dkim.ini"), "sign", "enabled")))
	if !h.has(filepath.Join(s.From, "smtp.json")) && h.has(filepath.Join(s.From, "smtp.yaml")) {
		s.Before = append(s.Before, "# Haraka reads smtp.yaml only where there is no smtp.json, which dkimbot writes: "+
			"write what it holds as smtp.json, and remove it.")
	}
	if !named || !signs {
		s.Before = append(s.Before, "# Let its dkim plugin sign: the line dkim in "+filepath.Join(s.From, "plugins")+
			"; in dkim.ini, enabled=true below [sign]; then start Haraka again.")
	}
	if files := filepath.Join(s.From, "dkim"); h.has(files) {
		s.harakaDomains(h, files)
	} else {
		s.Before = append(s.Before, "install -d -m 755 "+word(files))
	}
	s.Keys = s.usable(haraka.Defaults(), []Pair{{"driver", "haraka"}, {"config", s.From},
		{"owner", cmp.Or(iniValue(h, filepath.Join(s.From, "smtp.ini"), "", "user"), "root")}})
}

// harakaDomains reads the directories of domains, each with a key and its selector.
func (s *Signer) harakaDomains(h Host, dir string) {
	keys, _ := filepath.Glob(h.at(dir) + "/*/private") // the pattern is right
	for _, found := range keys {
		name, err := dkim.ParseDomain(filepath.Base(filepath.Dir(found)))
		at := filepath.Join(dir, filepath.Base(filepath.Dir(found)))
		text, failed := h.read(filepath.Join(at, "selector"))
		selector, bad := dkim.ParseSelector(strings.TrimSpace(string(text)))
		if err != nil || failed != nil || bad != nil {
			s.Remarks = append(s.Remarks, "its directory "+at+" is not that of a domain with a selector and a key.")
			continue
		}
		key := filepath.Join(at, "private")
		s.Domains = append(s.Domains, Domain{Name: name, Selector: selector, Key: key, Bits: h.bits(key),
			Adopt: []string{"--selector", selector, "--key-file", key}})
	}
}

// iniValue returns a value of a section, "" for the one before the first name of a section.
func iniValue(h Host, path, section, key string) string {
	text, err := h.read(path)
	if err != nil {
		return ""
	}
	in, found := "", ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			in = strings.Trim(line, "[] \t")
		}
		if name, value, ok := strings.Cut(line, "="); ok && in == section && strings.TrimSpace(name) == key {
			found = strings.TrimSpace(value)
		}
	}
	return found
}
