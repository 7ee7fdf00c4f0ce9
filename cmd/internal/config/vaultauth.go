package config

import (
	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

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

// serviceAccountToken is where Kubernetes puts the token of a pod.
const serviceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// Fields implements settings.Settings.
func (a *VaultAuth) Fields() []settings.Field {
	var names []string
	for _, l := range logins() {
		names = append(names, l.Auth.Method)
	}
	return []settings.Field{{Key: "method", Into: &a.Method, Choices: names, Meaning: "the way to log in"}}
}

// login is a way to log in, with what is usual for it.
type login struct {
	meaning string
	Auth    VaultAuth
	keys    func(*VaultAuth) []settings.Field
}

// Fields implements settings.Settings.
func (l *login) Fields() []settings.Field { return l.keys(&l.Auth) }

func logins() []*login {
	mount := func(a *VaultAuth) settings.Field {
		return settings.Field{Key: "mount", Into: &a.Mount, Form: inVault, Meaning: "the path of the auth method"}
	}
	return []*login{
		{"log in by a token", VaultAuth{Method: "token"}, func(a *VaultAuth) []settings.Field {
			return []settings.Field{{Key: "token", Into: &a.Token, Variable: "VAULT_TOKEN", Default: "VAULT_TOKEN", Later: true,
				Need: "give token_file or token_env, or set VAULT_TOKEN", Meaning: "the token"}}
		}},
		{"log in by AppRole", VaultAuth{Method: "approle", Mount: "approle"}, func(a *VaultAuth) []settings.Field {
			return []settings.Field{mount(a),
				{Key: "role_id", Into: &a.RoleID, Later: true, Need: "give role_id_file or role_id_env", Meaning: "the role id"},
				{Key: "secret_id", Into: &a.SecretID, Later: true, Need: "give secret_id_file or secret_id_env",
					Meaning: "the secret id; it is read again at each login"}}
		}},
		{"log in by a Kubernetes service account", VaultAuth{Method: "kubernetes", Mount: "kubernetes",
			JWTFile: serviceAccountToken}, func(a *VaultAuth) []settings.Field {
			return []settings.Field{mount(a),
				{Key: "role", Into: &a.Role, Need: "write the name of the role that Vault's administrator made for dkimbot",
					Meaning: "the name of the role"},
				{Key: "jwt_file", Into: &a.JWTFile, Form: settings.Path(), Meaning: "the token of the service account"}}
		}},
	}
}

func readVaultAuth(s *node.Section) VaultAuth {
	a := VaultAuth{Method: "token"}
	if !s.Read(&a, nil) {
		return a
	}
	for _, l := range logins() {
		if l.Auth.Method == a.Method {
			s.Read(l, nil)
			a = l.Auth
		}
	}
	s.Done()
	return a
}

func vaultAuthGroups() []Group {
	groups := []Group{{Path: "keystore.auth", Meaning: "how to log in to Vault",
		Fields: (&VaultAuth{Method: "token"}).Fields()}}
	for _, l := range logins() {
		groups = append(groups, Group{Path: "keystore.auth", Driver: l.Auth.Method, Meaning: l.meaning, Fields: l.Fields()})
	}
	return groups
}
