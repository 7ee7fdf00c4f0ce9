package setup

import (
	"context"
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/kumomta"
)

// Where KumoMTA has its things, and where dkimbot's go.
const (
	kumoPolicy = "/opt/kumomta/etc/policy"
	kumoData   = kumoPolicy + "/dkim_data.toml"
	kumoFile   = kumoPolicy + "/dkimbot.toml"
	kumoKeyDir = "/opt/kumomta/etc/dkimbot"
	kumoUser   = "kumod"
)

// findKumoMTA finds KumoMTA by its policy, and its domains by the data file of its helper dkim_sign.
func findKumoMTA(_ context.Context, h Host) []Signer {
	init, err := h.readTrusted(kumoPolicy + "/init.lua")
	if err != nil && !h.has(kumoPolicy+"/init.lua") {
		return nil
	}
	s := Signer{Name: "kumomta", Program: "KumoMTA", From: kumoPolicy + "/init.lua"}
	if err != nil {
		s.Remarks = append(s.Remarks, "it can't be read: "+err.Error()+".")
		return []Signer{s}
	}
	if s.kumoDomains(h) {
		return []Signer{s}
	}
	if !strings.Contains(string(init), kumoFile) {
		s.Before = []string{"# dkimbot switches KumoMTA by a data file of its helper dkim_sign. Make it empty:",
			"install -m 644 /dev/null " + kumoFile,
			"install -d -m 750 -o " + kumoUser + " -g " + kumoUser + " " + kumoKeyDir,
			"# List it last in dkim_sign:setup in " + s.From + ", and start KumoMTA again, this once:",
			"#   local dkim_signer = dkim_sign:setup { '" + kumoData + "', '" + kumoFile + "' }",
			"systemctl restart kumomta"}
	}
	s.Keys = s.usable(kumomta.Defaults(), []Pair{{"driver", "kumomta"}, {"file", kumoFile}, {"key_dir", kumoKeyDir},
		{"owner", kumoUser}})
	return []Signer{s}
}

// kumoDomains reads the domains of the data file, and reports whether their keys are in Vault.
func (s *Signer) kumoDomains(h Host) (inVault bool) {
	if !h.has(kumoData) {
		return false
	}
	text, err := h.read(kumoData)
	if err != nil {
		s.Remarks = append(s.Remarks, kumoData+" can't be read: "+err.Error()+".")
		return false
	}
	found, err := kumomta.ReadExisting(text)
	if err != nil {
		s.Remarks = append(s.Remarks, kumoData+": "+err.Error()+".")
		return false
	}
	if found.Vault {
		s.Remarks = append(s.Remarks, "it reads its keys from Vault: write its section by hand, see examples/kumomta.")
	}
	for _, k := range found.Keys {
		name, err := dkim.ParseDomain(k.Domain)
		selector, bad := dkim.ParseSelector(k.Selector)
		if err != nil || bad != nil {
			s.Remarks = append(s.Remarks, fmt.Sprintf("%s has a table of %q, which is not a domain with a selector.", kumoData,
				k.Domain))
			continue
		}
		d := Domain{Name: name, Selector: selector, Key: k.Path,
			Adopt: []string{"--selector", selector, "--key-file", k.Path}}
		if found.Vault {
			d.Key, d.Adopt = "in Vault", []string{"--from-vault", k.Path, "--layout", "kumomta", "--active", selector}
		} else {
			d.Bits = h.bits(k.Path)
		}
		s.Domains = append(s.Domains, d)
	}
	return found.Vault
}
