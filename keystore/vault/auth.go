package vault

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/api/auth/approle"
	"github.com/hashicorp/vault/api/auth/kubernetes"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Secret returns a secret. It is called at every login, so that one that was
// renewed on disk is seen. White space around the secret does not count. Its error
// must not show the secret.
type Secret func() (string, error)

// Auth is a way to log in: Token, AppRole or Kubernetes.
type Auth interface {
	// credentials reads what login shows to Vault.
	credentials() (credentials, error)
	// login returns a token and what is known of its life. c has no token.
	login(ctx context.Context, c *api.Client, with credentials) (grant, error)
	// method names the way, as the configuration does.
	method() string
	// hint says what to do when Vault refuses.
	hint() string
}

// credentials are what Vault knows a client by. They are compared, and never shown.
type credentials struct{ name, secret string }

// grant is a token together with what is known of its life.
type grant struct {
	token     string
	ttl       time.Duration // 0: it does not expire, or that is not known
	renewable bool
	own       bool // made by this login, so ours to revoke
}

// Token logs in with a token that somebody else made.
type Token struct{ Token Secret }

func (Token) method() string { return "token" }

func (Token) hint() string {
	return "the token is wrong, expired or revoked: " +
		"make a new one (vault token create -policy=...) and put it where keystore.auth says"
}

func (a Token) credentials() (credentials, error) {
	token, err := read("token", a.Token)
	return credentials{secret: token}, err
}

func (Token) login(ctx context.Context, c *api.Client, with credentials) (grant, error) {
	token := with.secret
	c.SetToken(token)
	self, err := c.Auth().Token().LookupSelfWithContext(ctx)
	if status(err) == 403 && !strings.Contains(err.Error(), "invalid token") {
		return grant{token: token}, nil // it may not look at itself; so it can't be renewed either
	}
	if err != nil {
		return grant{}, err
	}
	ttl, err := self.TokenTTL()
	if err != nil {
		return grant{}, err
	}
	renewable, err := self.TokenIsRenewable()
	return grant{token: token, ttl: ttl, renewable: renewable}, err
}

// AppRole logs in with a role id and a secret id.
type AppRole struct {
	RoleID, SecretID Secret
	Path             string // where the method is enabled; "" means approle
}

func (AppRole) method() string { return "approle" }

func (AppRole) hint() string {
	return "make a new secret id (vault write -f auth/approle/role/ROLE/secret-id), compare the role id, " +
		"and put both where keystore.auth says; see that the method is enabled (vault auth list); " +
		"after several wrong secret ids Vault refuses the right one too, " +
		"for 15 minutes (vault read sys/locked-users lists such roles)"
}

func (a AppRole) credentials() (credentials, error) {
	roleID, err := read("role id", a.RoleID)
	if err != nil {
		return credentials{}, err
	}
	secretID, err := read("secret id", a.SecretID)
	return credentials{roleID, secretID}, err
}

func (a AppRole) login(ctx context.Context, c *api.Client, with credentials) (grant, error) {
	var opts []approle.LoginOption
	if a.Path != "" {
		opts = append(opts, approle.WithMountPath(strings.Trim(a.Path, "/")))
	}
	m, err := approle.NewAppRoleAuth(with.name, &approle.SecretID{FromString: with.secret}, opts...)
	if err != nil {
		return grant{}, err
	}
	return granted(m.Login(ctx, c))
}

// serviceAccount is where Kubernetes puts a pod's token.
const serviceAccount = "/var/run/secrets/kubernetes.io/serviceaccount/token"

// Kubernetes logs in with the pod's service account token.
type Kubernetes struct {
	Role string
	JWT  Secret // nil means the file where Kubernetes puts it
	Path string // where the method is enabled; "" means kubernetes
}

func (Kubernetes) method() string { return "kubernetes" }

func (Kubernetes) hint() string {
	return "compare keystore.auth.role with vault read auth/kubernetes/role/ROLE: " +
		"service account, namespace and audience must be bound to it; see that the method is enabled (vault auth list)"
}

func (a Kubernetes) credentials() (credentials, error) {
	if a.JWT == nil {
		a.JWT = func() (string, error) {
			data, err := safefile.Read(serviceAccount, 64<<10)
			if errors.Is(err, fs.ErrNotExist) { // whichever of its directories is missing, or where a link leads
				err = &fs.PathError{Op: "open", Path: serviceAccount, Err: syscall.ENOENT}
			}
			return string(data), err
		}
	}
	jwt, err := read("service account token", a.JWT)
	return credentials{a.Role, jwt}, err
}

func (a Kubernetes) login(ctx context.Context, c *api.Client, with credentials) (grant, error) {
	opts := []kubernetes.LoginOption{kubernetes.WithServiceAccountToken(with.secret)}
	if a.Path != "" {
		opts = append(opts, kubernetes.WithMountPath(strings.Trim(a.Path, "/")))
	}
	m, err := kubernetes.NewKubernetesAuth(with.name, opts...)
	if err != nil {
		return grant{}, err
	}
	return granted(m.Login(ctx, c))
}

func granted(secret *api.Secret, err error) (grant, error) {
	if err != nil {
		return grant{}, err
	}
	if secret == nil || secret.Auth == nil || secret.Auth.ClientToken == "" {
		return grant{}, errors.New("no token in the answer; is two-factor login asked for?")
	}
	ttl := time.Duration(secret.Auth.LeaseDuration) * time.Second
	return grant{token: secret.Auth.ClientToken, ttl: ttl, renewable: secret.Auth.Renewable, own: true}, nil
}

// read returns a secret, or a fault that names what could not be read.
func read(name string, s Secret) (string, error) {
	what := "read Vault's " + name
	if s == nil {
		return "", fault.Lasting(what, errors.New("none is configured"), "complete keystore.auth")
	}
	v, err := s()
	if err != nil {
		return "", fault.Lasting(what, err, "correct keystore.auth or the file that it names")
	}
	v = strings.TrimSpace(v)
	if v == "" {
		return "", fault.Lasting(what, errors.New("it is empty"), "put the "+name+" where keystore.auth says")
	}
	if strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) }) {
		return "", fault.Lasting(what, errors.New("it holds white space or unprintable characters"), "put only the "+name+
			" where keystore.auth says")
	}
	return v, nil
}
