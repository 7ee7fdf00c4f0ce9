package config

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Keystore says where private keys live: in the directory Path, or in Vault.
type Keystore struct {
	Driver string `json:"driver"` // "file" or "vault"
	Path   string `json:"path,omitempty"`
	Vault  *Vault `json:"vault,omitempty"`
}

// Fields implements settings.Settings.
func (k *Keystore) Fields() []settings.Field {
	return []settings.Field{{Key: "driver", Into: &k.Driver, Choices: []string{"file", "vault"},
		Meaning: "the kind of keystore"}}
}

// directory is a keystore in files.
type directory Keystore

// Fields implements settings.Settings.
func (d *directory) Fields() []settings.Field {
	return []settings.Field{{Key: "path", Into: &d.Path, Form: settings.Path(),
		Meaning: "the directory; it has mode 0700, its files 0600"}}
}

// Vault says how to reach a KV version 2 mount.
type Vault struct {
	Address   string    `json:"address"`
	Namespace string    `json:"namespace"`
	Mount     string    `json:"mount"`
	Prefix    string    `json:"prefix"`
	CAFile    string    `json:"ca_file"` // "": the system's
	Auth      VaultAuth `json:"auth"`
}

func usualVault() *Vault { return &Vault{Mount: "secret", Prefix: "dkim"} }

// Fields implements settings.Settings.
func (v *Vault) Fields() []settings.Field {
	return []settings.Field{
		{Key: "address", Into: &v.Address, Form: is("URL"), Variable: "VAULT_ADDR", Default: "VAULT_ADDR",
			Need: "write address: https://vault.example.com:8200, or set VAULT_ADDR", Meaning: "the address of the server"},
		{Key: "namespace", Into: &v.Namespace, Variable: "VAULT_NAMESPACE", Default: "VAULT_NAMESPACE", Blank: true,
			Meaning: "the namespace"},
		{Key: "mount", Into: &v.Mount, Form: inVault, Meaning: "the path of the KV version 2 engine itself: kv, not kv/data"},
		{Key: "prefix", Into: &v.Prefix, Form: inVault,
			Meaning: "the path below the mount; keys are at MOUNT/data/PREFIX/DOMAIN/SELECTOR"},
		{Key: "ca_file", Into: &v.CAFile, Form: settings.Path(), Variable: "VAULT_CACERT",
			Default: "VAULT_CACERT, or the system's", Meaning: "the certificates that the server's must lead to"},
		{Key: "auth", Form: is("group of keys"), Meaning: "how to log in"},
	}
}

// Rules implements settings.Ruled. The address may come from the environment.
func (v *Vault) Rules() []*settings.Problem {
	if v.Address == "" {
		return nil
	}
	wrong := func(text, remedy string) []*settings.Problem {
		return []*settings.Problem{settings.Wrong(text, remedy, "address")}
	}
	u, err := url.Parse(v.Address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil:
		return wrong("is not the address of a Vault server",
			"write it, or VAULT_ADDR if that is used, like https://vault.example.com:8200")
	case u.Port() != "" && !settings.IsPort(u.Port()):
		return wrong(fmt.Sprintf("has the port %s, which does not exist", u.Port()),
			"write a port from 1 to 65535; Vault's is 8200")
	case u.Scheme == "http" && !settings.Loopback(u.Hostname()):
		p := wrong("private keys would travel unencrypted", "use https")
		p[0].Warning = true
		return p
	}
	return nil
}

// inVault is the form of a path inside Vault, which must not begin or end with a slash or climb:
// KumoMTA and the policies in examples use it as it stands.
var inVault = settings.Form{Name: "path in Vault", Parse: func(text string, _ settings.Place) (string,
	*settings.Problem) {
	for part := range strings.SplitSeq(text, "/") {
		if part == "" || part == "." || part == ".." || part != url.PathEscape(part) {
			return text, settings.Wrong(fmt.Sprintf("%q is not a path in Vault", text),
				"write names joined by /, without one at the start or end")
		}
	}
	return text, nil
}}

func usualKeystore() Keystore { return Keystore{Driver: "file"} }

func readKeystore(s *node.Section) Keystore {
	k := usualKeystore()
	if !s.Read(&k, nil) {
		return k
	}
	switch k.Driver {
	case "file":
		d := directory{Driver: k.Driver, Path: "keys"}
		s.Read(&d, nil)
		k = Keystore(d)
	case "vault":
		k.Vault = usualVault()
		s.Read(k.Vault, nil)
		k.Vault.Auth = readVaultAuth(s.Sub("auth"))
	}
	s.Done()
	return k
}

func keystoreGroups() []Group {
	k := usualKeystore()
	groups := []Group{
		{Path: "keystore", Meaning: "where private keys are kept", Fields: k.Fields()},
		{Path: "keystore", Driver: "file", Meaning: "a directory on this machine", Fields: (&directory{Path: "keys"}).Fields()},
		{Path: "keystore", Driver: "vault", Meaning: "a KV version 2 mount of HashiCorp Vault", Fields: usualVault().Fields()},
	}
	return append(groups, vaultAuthGroups()...)
}
