package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// Config says where keys are kept and how to log in.
type Config struct {
	Address   string        // https://vault.example.com:8200; "" means VAULT_ADDR
	Namespace string        // Vault Enterprise; "" means VAULT_NAMESPACE or none
	Mount     string        // of the KV version 2 engine; "" means secret
	Prefix    string        // the path of the keys below the mount; may be ""
	CAFile    string        // PEM, the authorities to trust instead of the system's; may be ""
	Auth      Auth          // Token, AppRole or Kubernetes
	Timeout   time.Duration // for each call to Vault; 0 means 15 seconds
}

const (
	defaultMount   = "secret"
	defaultTimeout = 15 * time.Second
	maxIdle        = 32 // connections kept for many domains at once
)

// New returns the keystore that cfg describes. It checks cfg and reads the CA file,
// but does not call Vault: the first use logs in. The token is renewed in the background
// until ctx is done; the store can be used until Close, so that what is under way can be finished.
func New(ctx context.Context, cfg Config) (*Store, error) {
	what := "set up the keystore in Vault"
	if cfg.Mount = strings.Trim(cfg.Mount, "/"); cfg.Mount == "" {
		cfg.Mount = defaultMount
	}
	cfg.Prefix = strings.Trim(cfg.Prefix, "/")
	if cfg.Timeout == 0 {
		cfg.Timeout = defaultTimeout
	}
	for key, path := range map[string]string{"mount": cfg.Mount, "prefix": cfg.Prefix} {
		if err := checkPath(path); err != nil {
			return nil, fault.Lasting(what, fmt.Errorf("%s %q %w", key, path, err), "correct keystore."+key)
		}
	}
	if cfg.Auth == nil {
		return nil, fault.Lasting(what, errors.New("no way to log in is given"),
			"set keystore.auth to token, approle or kubernetes")
	}
	client, err := newClient(cfg)
	if err != nil {
		return nil, err
	}
	cfg.Address = client.Address()
	return &Store{
		cfg:     cfg,
		session: newSession(ctx, client, cfg),
	}, nil
}

// checkPath refuses what Vault or HTTP would read as another path.
func checkPath(path string) error {
	if path == "" {
		return nil
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." || url.PathEscape(part) != part || strings.Contains(part, "+") {
			return errors.New("is not a plain path: use letters, digits, - and _ between slashes")
		}
	}
	return nil
}

// newClient returns a client without a token.
func newClient(cfg Config) (*api.Client, error) {
	what := "set up the connection to Vault"
	if err := checkEnvironment(what, cfg); err != nil {
		return nil, err
	}
	conf := api.DefaultConfig()
	if conf.Error != nil {
		return nil, fault.Lasting(what, conf.Error, "correct the VAULT_... environment variables")
	}
	if cfg.Address != "" {
		conf.Address = cfg.Address
	}
	conf.AgentAddress = "" // VAULT_AGENT_ADDR would take precedence
	if err := checkAddress(conf.Address); err != nil {
		return nil, fault.Lasting(what, err,
			"set keystore.address or VAULT_ADDR to a URL such as https://vault.example.com:8200")
	}
	if cfg.CAFile != "" {
		// Who else can write it can have token and keys sent to a Vault of his own.
		f, err := safefile.OpenTrusted(cfg.CAFile, 1<<20)
		if err != nil {
			return nil, fault.Lasting(what+": read "+cfg.CAFile, safefile.Cause(err), cmp.Or(safefile.Remedy(err),
				"set keystore.ca_file to a readable file with the authority's certificate in PEM"))
		}
		f.Close()
		if err := conf.ConfigureTLS(&api.TLSConfig{CACert: cfg.CAFile}); err != nil {
			return nil, fault.Lasting(what+": read "+cfg.CAFile, err,
				"set keystore.ca_file to a readable file with the authority's certificate in PEM")
		}
	}
	conf.MaxRetries, conf.MinRetryWait, conf.MaxRetryWait = 2, 100*time.Millisecond, 400*time.Millisecond
	conf.CheckRetry = retry
	conf.Timeout, conf.Limiter = cfg.Timeout, nil
	conf.ReadYourWrites = true // on a cluster's standby too
	if tr, ok := conf.HttpClient.Transport.(*http.Transport); ok {
		tr.MaxIdleConnsPerHost = maxIdle
		if !strings.HasPrefix(conf.Address, "https:") {
			tr.Proxy = nil // it would read tokens and keys
		}
		bound(conf, tr)
	}
	client, err := api.NewClient(conf)
	if err != nil {
		return nil, fault.Lasting(what, err, "correct the VAULT_... environment variables")
	}
	withoutEnvironment(client)
	if cfg.Namespace != "" {
		client.SetNamespace(cfg.Namespace)
	}
	return client, nil
}

// withoutEnvironment takes away what would get in the way: VAULT_TOKEN is not the
// login that was configured, and VAULT_WRAP_TTL would hide every answer.
func withoutEnvironment(c *api.Client) {
	c.ClearToken()
	c.SetWrappingLookupFunc(func(string, string) string { return "" })
}

// checkAddress wants a URL of a server, and no password in it: addresses are printed (I9).
func checkAddress(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return errors.New("the address is not a URL")
	case u.User != nil:
		return errors.New("the address holds a user name or password")
	case u.Scheme == "unix" && u.Path != "":
		return nil
	case u.Scheme != "https" && u.Scheme != "http", u.Host == "":
		return fmt.Errorf("%q is not the URL of a Vault server", address)
	}
	return nil
}

// retry says whether the client tries again by itself: only what reads, and not
// when Vault is sealed (503), which takes a person, or limits requests (429), which says itself how long
// to wait: longer than a call may last. It refuses redirects.
func retry(ctx context.Context, resp *http.Response, err error) (bool, error) {
	var failed *url.Error
	switch {
	case resp != nil:
		if err := checkRedirect(resp); err != nil {
			return false, err
		}
		if resp.Request.Method != http.MethodGet ||
			slices.Contains([]int{http.StatusServiceUnavailable, http.StatusTooManyRequests}, resp.StatusCode) {
			return false, nil
		}
	case !errors.As(err, &failed) || failed.Op != "Get":
		return false, nil
	}
	return api.DefaultRetryPolicy(ctx, resp, err)
}
