package rspamd

import (
	"net/url"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer/rspamd/vault"
)

// NeedsVault reports whether the keystore has to be in Vault.
func (c *Config) NeedsVault() bool { return c.Source == sourceVault }

// vaultPath is a path as rspamd appends it to /v1/.
var vaultPath = settings.Form{Name: "path in Vault",
	Parse: func(text string, _ settings.Place) (string, *settings.Problem) {
		for part := range strings.SplitSeq(text, "/") {
			if part == "" || part == "." || part == ".." || part != url.PathEscape(part) {
				return "", settings.Wrong("is not a path in Vault",
					"write it as rspamd has it, names joined by /, without one at the start or end, and without data/")
			}
		}
		return text, nil
	}}

// vaultFields are those of source: vault.
func (c *Config) vaultFields() []settings.Field {
	return []settings.Field{
		{
			Key:     "vault_path",
			Into:    &c.VaultPath,
			Form:    vaultPath,
			Meaning: "vault: vault_path of rspamd's dkim_signing, such as rspamd",
		},
		{
			Key:     "arc_vault_path",
			Into:    &c.ArcVaultPath,
			Form:    vaultPath,
			Meaning: "vault: vault_path of rspamd's arc, where that signs with the same keys from another path",
		},
		{
			Key:     "vault_kv_version",
			Into:    &c.KVVersion,
			Least:   1,
			Most:    2,
			Default: "2",
			Meaning: "vault: the version of the KV engine there; rspamd reads version 2 since 3.13.2, older ones version 1 only",
		},
		{
			Key:      "switch_after",
			Into:     &c.SwitchAfter,
			Shortest: time.Second,
			Default:  "at once",
			Meaning: "vault: rspamd switches by itself this long after dkimbot has written so, on all hosts at one time, " +
				"also when dkimbot is down",
		},
	}
}

func (c *Config) vaultRules() (out []*settings.Problem) {
	missing(&out, "vault_path", c.VaultPath, "write vault_path as rspamd's dkim_signing has it; rspamd's default is dkim")
	if c.ArcVaultPath != "" && c.ArcVaultPath == c.VaultPath {
		out = append(out, settings.Wrong("is vault_path: arc follows by itself", "leave it out", "arc_vault_path"))
	}
	if c.SwitchAfter > 24*time.Hour {
		out = append(out, settings.Wrong("is longer than a day", "write at most 24h", "switch_after"))
	}
	if c.SwitchAfter > 0 && c.Milter != "" {
		out = append(out, settings.Wrong("can't prove a switch that is yet to come",
			"leave out milter or switch_after", "milter"))
	}
	if least := c.SwitchAfter + vault.DefaultLag; c.SwitchAfter > 0 && c.Lag != 0 && c.Lag < least {
		out = append(out, settings.Wrong("is too short for switch_after: the drain would begin before the switch",
			"write at least "+settings.Brief(least)+", and by how much the clocks differ, or leave lag out", "lag"))
	}
	return out
}
