package config

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// State says where it is kept how each domain stands.
type State struct {
	Driver string `json:"driver"` // "sqlite"
	Path   string `json:"path"`
}

func readState(s *node.Section) State {
	st := State{Driver: s.Choice("driver", "sqlite", "sqlite", "postgres")}
	if st.Driver == "postgres" {
		v, _ := s.Take("driver")
		v.Fail("postgres is not available in this version", "use sqlite")
		s.Know("url_file", "url_env", "url")
	}
	st.Path = s.File("path", "state.db")
	s.Done()
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
	Method   string          `json:"method"`          // "token", "approle" or "kubernetes"
	Mount    string          `json:"mount,omitempty"` // of the auth method
	Token    settings.Secret `json:"token"`
	RoleID   settings.Secret `json:"role_id"`
	SecretID settings.Secret `json:"secret_id"`
	Role     string          `json:"role,omitempty"`
	JWTFile  string          `json:"jwt_file,omitempty"` // the pod's service account token
}

func readKeystore(s *node.Section) Keystore {
	k := Keystore{Driver: s.Choice("driver", "file", "file", "vault")}
	switch k.Driver {
	case "file":
		k.Path = s.File("path", "keys")
	case "vault":
		k.Vault = readVault(s)
	default:
		return k
	}
	s.Done()
	return k
}

func readVault(s *node.Section) *Vault {
	env := func(name string) string { t, _ := s.Doc.Lookup(name); return t }
	v := &Vault{
		Address:   s.Text("address", env("VAULT_ADDR")),
		Namespace: s.Words("namespace", env("VAULT_NAMESPACE")),
		Mount:     segments(s, "mount", "secret"),
		Prefix:    segments(s, "prefix", "dkim"),
		CAFile:    s.File("ca_file", ""),
	}
	if !s.Has("ca_file") {
		v.CAFile = env("VAULT_CACERT")
	}
	checkAddress(s, v.Address)
	v.Auth = readVaultAuth(s.Sub("auth"))
	return v
}

func checkAddress(s *node.Section, address string) {
	line, path := s.At("address")
	if !s.Has("address") {
		path = s.Join("address")
	}
	if address == "" {
		if !s.Has("address") {
			s.Doc.Fail(line, path, "is missing", "write address: https://vault.example.com:8200, or set VAULT_ADDR")
		}
		return
	}
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil:
		s.Doc.Fail(line, path, "is not the address of a Vault server",
			"write it, or VAULT_ADDR if that is used, like https://vault.example.com:8200")
	case u.Port() != "" && !settings.IsPort(u.Port()):
		s.Doc.Fail(line, path, fmt.Sprintf("has the port %s, which does not exist", u.Port()),
			"write a port from 1 to 65535; Vault's is 8200")
	case u.Scheme == "http" && !settings.Loopback(u.Hostname()):
		s.Doc.Warn(line, path, "private keys would travel unencrypted", "use https")
	}
}

// segments returns a path inside Vault, which must not begin or end with a slash
// or climb: KumoMTA and the policies in examples use it as it stands.
func segments(s *node.Section, key, def string) string {
	t := s.Text(key, def)
	for part := range strings.SplitSeq(t, "/") {
		if part == "" || part == "." || part == ".." || part != url.PathEscape(part) {
			v := s.Get(key)
			v.Fail(fmt.Sprintf("%q is not a path in Vault", t), "write names joined by /, without one at the begin or end")
			return def
		}
	}
	return t
}

// serviceAccountToken is where Kubernetes puts the token of a pod.
const serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"

func readVaultAuth(s *node.Section) VaultAuth {
	a := VaultAuth{Method: s.Choice("method", "token", "token", "approle", "kubernetes")}
	switch a.Method {
	case "token":
		a.Token = s.Credential("token", "VAULT_TOKEN")
	case "approle":
		a.Mount = segments(s, "mount", "approle")
		a.RoleID = s.Credential("role_id", "")
		a.SecretID = s.Credential("secret_id", "")
	case "kubernetes":
		a.Mount = segments(s, "mount", "kubernetes")
		a.Role, _ = s.NeedText("role", "write the name of the role that Vault's administrator made for dkimbot")
		a.JWTFile = s.File("jwt_file", "")
		if !s.Has("jwt_file") {
			a.JWTFile = serviceAccountToken
		}
	default:
		return a
	}
	s.Done()
	return a
}
