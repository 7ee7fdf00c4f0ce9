package kumomta

import (
	"net/url"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Config says where KumoMTA's files are.
type Config struct {
	Name  string `json:"-"`              // in messages
	File  string `json:"file"`           // absolute, ends in .toml; made when missing
	Keys  string `json:"keys,omitempty"` // files or vault
	Mount string `json:"vault_mount,omitempty"`
	Path  string `json:"vault_path_prefix,omitempty"`

	KeyDir string `json:"key_dir,omitempty"` // absolute; made when missing
	Owner  string `json:"owner,omitempty"`   // of the key files, the user that KumoMTA runs as
	Group  string `json:"group,omitempty"`

	Validate []string      `json:"validate,omitempty"` // argv, no shell
	Lag      time.Duration `json:"lag"`                // see Signer.Lag; 15 minutes when 0
}

// Where KumoMTA finds keys.
const (
	inFiles = "files"
	inVault = "vault"
)

// Defaults returns what counts where the configuration says nothing.
func Defaults() *Config { return &Config{Keys: inFiles} }

// Driver names the kind of signer.
func (c *Config) Driver() signer.Driver {
	return signer.Driver{Name: "kumomta", Meaning: "a KumoMTA on this host that signs by its helper dkim_sign"}
}

// NeedsVault reports whether the keystore has to be in Vault.
func (c *Config) NeedsVault() bool { return c.Keys == inVault }

// nameReader says how to name the user that reads the keys.
const nameReader = "write owner: kumod, the user that KumoMTA runs as, or owner: root"

// Fields returns the keys of the driver.
func (c *Config) Fields() []settings.Field {
	path := keyfiles.PathForm("KumoMTA", "#\"'\\", `, #, a quote or \`)
	inVaultForm := settings.Form{Name: "path in Vault", Parse: vaultPath}
	return []settings.Field{
		{
			Key:     "file",
			Into:    &c.File,
			Need:    "write a data file for dkimbot alone, for example /opt/kumomta/etc/policy/dkimbot.toml",
			Form:    path,
			Claim:   func() *settings.Claim { return settings.OwnFile(c.File) },
			Meaning: "the data file, in TOML, that dkim_sign:setup lists last",
		},
		{
			Key:     "keys",
			Into:    &c.Keys,
			Choices: []string{inFiles, inVault},
			Meaning: "where KumoMTA finds private keys: files, or vault, where the keystore is and vault_mount in [base] leads",
		},
		{
			Key:     "vault_mount",
			Into:    &c.Mount,
			Form:    inVaultForm,
			Meaning: "vault: vault_mount in [base] of KumoMTA, and keystore.mount",
			Default: "secret",
		},
		{
			Key:     "vault_path_prefix",
			Into:    &c.Path,
			Form:    inVaultForm,
			Meaning: "vault: where the keys are there, keystore.prefix",
			Default: "dkim",
		},
		{
			Key:     "key_dir",
			Into:    &c.KeyDir,
			Form:    path,
			Claim:   func() *settings.Claim { return settings.OwnFile(c.KeyDir) },
			Meaning: "files: the directory of the key files",
		},
		{
			Key:     "owner",
			Into:    &c.Owner,
			Form:    keyfiles.OwnerForm("write the user that KumoMTA runs as: kumod", &c.Group),
			Default: "those of key_dir",
			Meaning: "the user and group that KumoMTA runs as, who own the key files",
		},
		{
			Key:  "validate",
			Into: &c.Validate,
			Meaning: "a command that is run when the file has been changed, such as [kumod, --validate, --policy, init.lua]: " +
				"where it fails, the file becomes what it was",
		},
		{
			Key:      "lag",
			Into:     &c.Lag,
			Shortest: time.Millisecond,
			Default:  settings.Brief(defaultLag),
			Meaning:  "how long after a switch mail may still be signed with the key before",
		},
	}
}

func vaultPath(text string, _ settings.Place) (string, *settings.Problem) {
	for part := range strings.SplitSeq(text, "/") {
		if part == "" || part == "." || part == ".." || part != url.PathEscape(part) {
			return "", settings.Wrong("is not a path in Vault", "write names joined by /, without one at the start or end")
		}
	}
	return text, nil
}

// Rules returns what is wrong with several keys together, or is missing and yet probably meant.
func (c *Config) Rules() (out []*settings.Problem) {
	if c.File != "" && !strings.HasSuffix(c.File, ".toml") {
		out = append(out, settings.Wrong("does not end in .toml: KumoMTA would read it as JSON",
			"give the data file a name that ends in .toml", "file"))
	}
	if c.Keys == inVault {
		if c.KeyDir != "" {
			out = append(out, settings.Wrong("has no effect with keys: vault",
				"take key_dir out, or write keys: files", "key_dir"))
		}
		return out
	}
	if c.Mount != "" || c.Path != "" {
		out = append(out, settings.Wrong("has no effect with keys: files", "take it out, or write keys: vault",
			"vault_mount", "vault_path_prefix"))
	}
	if c.KeyDir == "" {
		out = append(out, settings.Wrong("is missing",
			"write the directory for KumoMTA's key files, for example /opt/kumomta/etc/dkim",
			"key_dir"))
	}
	return append(out, store(*c).ReaderRule(nameReader)...)
}

// Open makes the signer of that name.
func (c *Config) Open(name string, _ settings.Secrets) (signer.Signer, error) {
	named := *c
	named.Name = name
	return New(named)
}
