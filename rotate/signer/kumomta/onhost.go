package kumomta

import (
	"context"
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/signer/found"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Where KumoMTA has its things, and where dkimbot's go.
const (
	kumoPolicy = "/opt/kumomta/etc/policy"
	kumoData   = kumoPolicy + "/dkim_data.toml"
	kumoFile   = kumoPolicy + "/dkimbot.toml"
	kumoKeyDir = "/opt/kumomta/etc/dkimbot"
	kumoUser   = "kumod"
)

// finding is a signer while it is read.
type finding struct{ found.Signer }

// Programs are those that Find finds.
func (c *Config) Programs() []string { return []string{"KumoMTA"} }

// Find finds KumoMTA by its policy, and its domains by the data file of its helper dkim_sign.
func (c *Config) Find(_ context.Context, h found.Host) []found.Signer {
	init, err := h.ReadTrusted(kumoPolicy + "/init.lua")
	if err != nil && !h.Has(kumoPolicy+"/init.lua") {
		return nil
	}
	s := finding{Signer: found.Signer{Name: "kumomta", Program: "KumoMTA", From: kumoPolicy + "/init.lua"}}
	if err != nil {
		s.Remark("it can't be read: " + err.Error() + ".")
		return []found.Signer{s.Signer}
	}
	if s.kumoDomains(h) {
		return []found.Signer{s.Signer}
	}
	if !strings.Contains(string(init), kumoFile) {
		s.Before = []string{"# dkimbot switches KumoMTA by a data file of its helper dkim_sign. Make it empty:",
			"install -m 644 /dev/null " + kumoFile,
			"install -d -m 750 -o " + kumoUser + " -g " + kumoUser + " " + kumoKeyDir,
			"# List it last in dkim_sign:setup in " + s.From + ", and start KumoMTA again, this once:",
			"#   local dkim_signer = dkim_sign:setup { '" + kumoData + "', '" + kumoFile + "' }",
			"systemctl restart kumomta"}
	}
	s.Set("file", kumoFile)
	s.Set("key_dir", kumoKeyDir)
	s.Set("owner", kumoUser)
	return []found.Signer{s.Signer}
}

// kumoDomains reads the domains of the data file, and reports whether their keys are in Vault.
func (s *finding) kumoDomains(h found.Host) (inVault bool) {
	if !h.Has(kumoData) {
		return false
	}
	text, err := h.Read(kumoData)
	if err != nil {
		s.Remark(kumoData + " can't be read: " + err.Error() + ".")
		return false
	}
	data, err := ReadExisting(text)
	if err != nil {
		s.Remark(kumoData + ": " + err.Error() + ".")
		return false
	}
	if data.Vault {
		s.Remark("it reads its keys from Vault: write its section by hand, see examples/")
	}
	for _, k := range data.Keys {
		name, err := dkim.ParseDomain(k.Domain)
		selector, bad := dkim.ParseSelector(k.Selector)
		if err != nil || bad != nil {
			s.Remark(fmt.Sprintf("%s has a table of %q, which is not a domain with a selector.", kumoData,
				k.Domain))
			continue
		}
		d := found.Domain{Name: name, Selector: selector, Key: k.Path,
			Adopt: []string{"--selector", selector, "--key-file", k.Path}}
		if data.Vault {
			d.Key, d.Adopt = "in Vault", []string{"--from-vault", k.Path, "--layout", "kumomta", "--active", selector}
		} else {
			d.Bits = h.Bits(k.Path)
		}
		s.Domains = append(s.Domains, d)
	}
	return data.Vault
}
