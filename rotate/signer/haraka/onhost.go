package haraka

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/signer/found"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// finding is a signer while it is read.
type finding struct{ found.Signer }

// Programs are those that Find finds.
func (c *Config) Programs() []string { return []string{"Haraka"} }

// Find finds Haraka by the directories that 'haraka -i' usually makes.
func (c *Config) Find(_ context.Context, h found.Host) []found.Signer {
	from := h.First("/etc/haraka/config/smtp.ini", "/opt/haraka/config/smtp.ini", "/srv/haraka/config/smtp.ini",
		"/usr/local/haraka/config/smtp.ini", "/var/lib/haraka/config/smtp.ini", "/haraka/config/smtp.ini")
	if from == "" {
		return nil
	}
	s := finding{Signer: found.Signer{Name: "haraka", Program: "Haraka", From: filepath.Dir(from)}}
	s.haraka(h)
	return []found.Signer{s.Signer}
}

func (s *finding) haraka(h found.Host) {
	plugins, err := h.Read(filepath.Join(s.From, "plugins"))
	if err != nil {
		s.Remark("its file plugins can't be read: " + err.Error() + ".")
		return
	}
	named := slices.ContainsFunc(strings.Split(string(plugins), "\n"), func(line string) bool {
		return strings.TrimSpace(line) == "dkim"
	})
	signs := slices.Contains([]string{"true", "yes", "ok", "enabled", "on", "1"},
		strings.ToLower(iniValue(h, filepath.Join(s.From, "dkim.ini"), "sign", "enabled")))
	if !h.Has(filepath.Join(s.From, "smtp.json")) && h.Has(filepath.Join(s.From, "smtp.yaml")) {
		s.Before = append(s.Before, "# Haraka reads smtp.yaml only where there is no smtp.json, which dkimbot writes: "+
			"write what it holds as smtp.json, and remove it.")
	}
	if !named || !signs {
		s.Before = append(s.Before, "# Let its dkim plugin sign: the line dkim in "+filepath.Join(s.From, "plugins")+
			"; in dkim.ini, enabled=true below [sign]; then start Haraka again.")
	}
	if files := filepath.Join(s.From, "dkim"); h.Has(files) {
		s.harakaDomains(h, files)
	} else {
		s.Before = append(s.Before, "install -d -m 755 "+found.Word(files))
	}
	s.Set("config", s.From)
	s.Set("owner", cmp.Or(iniValue(h, filepath.Join(s.From, "smtp.ini"), "", "user"), "root"))
}

// harakaDomains reads the directories of domains, each with a key and its selector.
func (s *finding) harakaDomains(h found.Host, dir string) {
	keys, _ := filepath.Glob(h.At(dir) + "/*/private") // the pattern is right
	for _, path := range keys {
		name, err := dkim.ParseDomain(filepath.Base(filepath.Dir(path)))
		at := filepath.Join(dir, filepath.Base(filepath.Dir(path)))
		text, failed := h.Read(filepath.Join(at, "selector"))
		selector, bad := dkim.ParseSelector(strings.TrimSpace(string(text)))
		if err != nil || failed != nil || bad != nil {
			s.Remark("its directory " + at + " is not that of a domain with a selector and a key.")
			continue
		}
		key := filepath.Join(at, "private")
		s.Domains = append(s.Domains, found.Domain{Name: name, Selector: selector, Key: key, Bits: h.Bits(key),
			Adopt: []string{"--selector", selector, "--key-file", key}})
	}
}

// iniValue returns a value of a section, "" for the one before the first name of a section.
func iniValue(h found.Host, path, section, key string) string {
	text, err := h.Read(path)
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
