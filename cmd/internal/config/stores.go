package config

import (
	"fmt"
	"net/url"
	"strings"
)

// State says where it is kept how each domain stands.
type State struct {
	Driver string `json:"driver"` // "sqlite"
	Path   string `json:"path"`
}

func readState(s *section) State {
	st := State{Driver: s.choice("driver", "sqlite", "sqlite", "postgres")}
	if st.Driver == "postgres" {
		v, _ := s.take("driver")
		v.fail("postgres is not available in this version", "use sqlite")
		s.known = append(s.known, "url_file", "url_env", "url")
	}
	st.Path = s.file("path", "state.db")
	s.done()
	return st
}

// Keystore says where private keys live: in the directory Path, or in Vault.
type Keystore struct {
	Driver string `json:"driver"` // "file" or "vault"
	Path   string `json:"path,omitempty"`
	Vault  *Vault `json:"vault,omitempty"`
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

// VaultAuth says how to log in.
type VaultAuth struct {
	Method   string `json:"method"`          // "token", "approle" or "kubernetes"
	Mount    string `json:"mount,omitempty"` // of the auth method
	Token    Secret `json:"token"`
	RoleID   Secret `json:"role_id"`
	SecretID Secret `json:"secret_id"`
	Role     string `json:"role,omitempty"`
	JWTFile  string `json:"jwt_file,omitempty"` // the pod's service account token
}

func readKeystore(s *section) Keystore {
	k := Keystore{Driver: s.choice("driver", "file", "file", "vault")}
	switch k.Driver {
	case "file":
		k.Path = s.file("path", "keys")
	case "vault":
		k.Vault = readVault(s)
	default:
		return k
	}
	s.done()
	return k
}

func readVault(s *section) *Vault {
	env := func(name string) string { t, _ := s.doc.env.lookup(name); return t }
	v := &Vault{
		Address:   s.text("address", env("VAULT_ADDR")),
		Namespace: s.words("namespace", env("VAULT_NAMESPACE")),
		Mount:     s.segments("mount", "secret"),
		Prefix:    s.segments("prefix", "dkim"),
		CAFile:    s.file("ca_file", ""),
	}
	if !s.has("ca_file") {
		v.CAFile = env("VAULT_CACERT")
	}
	s.checkAddress(v.Address)
	v.Auth = readVaultAuth(s.sub("auth"))
	return v
}

func (s *section) checkAddress(address string) {
	line, path := s.at("address")
	if !s.has("address") {
		path = s.join("address")
	}
	if address == "" {
		if !s.has("address") {
			s.doc.fail(line, path, "is missing", "write address: https://vault.example.com:8200, or set VAULT_ADDR")
		}
		return
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil:
		s.doc.fail(line, path, "is not the address of a Vault server", "write it, or VAULT_ADDR if that is used, like https://vault.example.com:8200")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		s.doc.warn(line, path, "private keys would travel unencrypted", "use https")
	}
}

// segments returns a path inside Vault, which must not begin or end with a slash
// or climb: KumoMTA and the policies in examples use it as it stands.
func (s *section) segments(key, def string) string {
	t := s.text(key, def)
	for part := range strings.SplitSeq(t, "/") {
		if part == "" || part == "." || part == ".." || part != url.PathEscape(part) {
			v := s.values[key]
			v.fail(fmt.Sprintf("%q is not a path in Vault", t), "write names joined by /, without one at the begin or end")
			return def
		}
	}
	return t
}

func readVaultAuth(s *section) VaultAuth {
	a := VaultAuth{Method: s.choice("method", "token", "token", "approle", "kubernetes")}
	switch a.Method {
	case "token":
		a.Token = s.needSecret("token", "VAULT_TOKEN")
	case "approle":
		a.Mount = s.segments("mount", "approle")
		a.RoleID = s.needSecret("role_id", "")
		a.SecretID = s.needSecret("secret_id", "")
	case "kubernetes":
		a.Mount = s.segments("mount", "kubernetes")
		a.Role, _ = s.needText("role", "write the name of the role that Vault's administrator made for dkimbot")
		a.JWTFile = s.file("jwt_file", "")
		if !s.has("jwt_file") {
			a.JWTFile = "/var/run/secrets/kubernetes.io/serviceaccount/token"
		}
	default:
		return a
	}
	s.done()
	return a
}
