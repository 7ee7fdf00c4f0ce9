package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/providers"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/probe"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Digest returns the SHA-256 of the effective configuration in hex. Two files
// that mean the same have the same digest, whatever their comments and order.
// Where secrets come from counts, the secrets themselves do not. Who is notified does
// not count: it changes no step.
func (c *Config) Digest() string {
	effective := *c
	effective.Notify, effective.Limits = Notify{}, Limits{} // what of them concerns a domain stands there
	effective.Domains = slices.Clone(c.Domains)
	slices.SortFunc(effective.Domains, func(a, b Domain) int { return strings.Compare(a.Name, b.Name) })
	return digest(effective)
}

// DomainDigest returns the SHA-256 of all configuration that bears on one domain:
// the domain with its policy, its provider, its signers, the keystore and the state.
// Other domains don't count. It is "" for a domain that is not listed.
func (c *Config) DomainDigest(name string) string {
	normal, err := dkim.ParseDomain(name)
	i, ok := c.index[normal]
	if err != nil || !ok {
		return ""
	}
	d := c.Domains[i]
	bears := struct {
		Domain   Domain                   `json:"domain"`
		Provider providers.Config         `json:"provider"`
		Also     []providers.Config       `json:"also,omitempty"`
		Signers  map[string]signer.Config `json:"signers"`
		Probes   map[string]probe.Config  `json:"probes,omitempty"`
		Keystore Keystore                 `json:"keystore"`
		State    State                    `json:"state"`
	}{d, c.Providers[d.Provider], nil, map[string]signer.Config{}, nil, c.Keystore, c.State}
	for _, name := range d.Also {
		bears.Also = append(bears.Also, c.Providers[name])
	}
	for _, s := range d.Signers {
		bears.Signers[s] = c.Signers[s]
		if p, ok := c.Probes[s]; ok {
			if bears.Probes == nil {
				bears.Probes = map[string]probe.Config{}
			}
			bears.Probes[s] = p
		}
	}
	return digest(bears)
}

func digest(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic("config: plain data does not marshal: " + err.Error())
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
