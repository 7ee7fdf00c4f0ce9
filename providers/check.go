package providers

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// Problem is a mistake in a Config.
type Problem struct {
	Provider string // Config.Name
	Key      string // the key in the configuration file, for example "key_algorithm"
	Message  string // what is wrong
	Hint     string // what to write instead
}

// Error names the provider and the key.
func (p *Problem) Error() string {
	return fmt.Sprintf("provider %s: %s: %s", p.Provider, p.Key, p.Message)
}

// Check reports every mistake in cfg that can be seen without touching anything
// outside: no file, no environment, no network. Its error joins *Problem values
// (errors.Join), one for each mistake.
func Check(cfg Config) error {
	c := checker{provider: cfg.Name}
	d, ok := drivers()[cfg.Driver]
	if !ok {
		c.add("driver", fmt.Sprintf("%q is unknown", cfg.Driver), "use one of "+strings.Join(Drivers(), ", "))
	} else {
		d.check(&c, cfg)
	}
	if cfg.Timeout < 0 {
		c.add("timeout", "it is negative", "write a duration such as 20s")
	}
	if cfg.Total < 0 {
		c.add("total", "it is negative", "write a duration such as 2m")
	}
	if cfg.Rate < 0 {
		c.add("rate", "it is negative", "write calls a second, such as 4 or 0.5")
	}
	if cfg.Parallel < 0 {
		c.add("parallel", "it is negative", "write how many calls may run at a time, such as 8")
	}
	return errors.Join(c.problems...)
}

type checker struct {
	provider string
	problems []error
}

func (c *checker) add(key, message, hint string) {
	c.problems = append(c.problems, &Problem{Provider: c.provider, Key: key, Message: message, Hint: hint})
}

// token checks a secret that travels in an HTTP header.
func (c *checker) token(key string, s Secret) {
	if strings.ContainsFunc(string(s), func(r rune) bool { return r <= ' ' || r > '~' }) {
		c.add(key, "it holds white space or characters other than ASCII", "check how it was copied; it is one word")
	}
}

func checkRFC2136(c *checker, cfg Config) {
	f := cfg.RFC2136
	if _, err := serverAddress(f.Server); err != nil {
		c.add("server", err.Error(), "write the primary name server's address, such as 192.0.2.1:53")
	}
	if _, ok := dns.IsDomainName(f.KeyName); !ok || f.KeyName == "" {
		c.add("key_name", fmt.Sprintf("%q is not a key name", f.KeyName), "write the TSIG key's name as the server knows it, such as dkimbot.")
	}
	if alg := keyAlgorithm(f); !slices.Contains(keyAlgorithms(), alg) {
		c.add("key_algorithm", fmt.Sprintf("%q is not supported", f.KeyAlgorithm), "use one of "+strings.Join(keyAlgorithms(), ", "))
	}
	if key, err := base64.StdEncoding.DecodeString(string(f.Key)); err != nil || len(key) == 0 {
		c.add("key", "it is empty or not base64", "write the secret as it stands in the server's configuration, without quotes")
	}
}

func keyAlgorithms() []string {
	return []string{"hmac-sha256", "hmac-sha512", "hmac-sha384", "hmac-sha224", "hmac-sha1"}
}

func keyAlgorithm(f RFC2136) string {
	return cmp.Or(strings.ToLower(strings.TrimSuffix(f.KeyAlgorithm, ".")), "hmac-sha256")
}

// serverAddress returns s with port 53 unless it names another.
func serverAddress(s string) (string, error) {
	if s == "" {
		return "", errors.New("it is empty")
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = strings.Trim(s, "[]"), "53"
	}
	n, err := strconv.ParseUint(port, 10, 16)
	_, isName := dns.IsDomainName(host)
	if err != nil || n == 0 || host == "" || net.ParseIP(host) == nil && (!isName || strings.ContainsAny(host, ":/ ")) {
		return "", fmt.Errorf("%q is not an address", s)
	}
	return net.JoinHostPort(host, port), nil
}

func checkRoute53(c *checker, cfg Config) {
	f := cfg.Route53
	// The module silently ignores half a pair and takes the default chain's identity instead.
	if (f.AccessKeyID == "") != (f.SecretAccessKey == "") {
		c.add("access_key_id", "it and secret_access_key go together, one is missing", "write both, or neither to use the AWS default chain")
	}
	if f.SessionToken != "" && f.AccessKeyID == "" {
		c.add("session_token", "it stands without access_key_id", "write the key that it belongs to, or leave it out")
	}
	c.token("secret_access_key", f.SecretAccessKey)
	c.token("session_token", f.SessionToken)
	if !regexp.MustCompile(`^(/hostedzone/)?[A-Za-z0-9]*$`).MatchString(f.ZoneID) {
		c.add("zone_id", fmt.Sprintf("%q is not a hosted zone id", f.ZoneID), "write the id as the console shows it, such as Z08123456ABCDEF")
	}
}

func checkCloudflare(c *checker, cfg Config) {
	f := cfg.Cloudflare
	if f.APIToken == "" {
		c.add("api_token", "it is empty", "make an API token with Zone:Read and DNS:Edit for the zones")
	}
	c.token("api_token", f.APIToken)
	if u, err := url.Parse(f.BaseURL); f.BaseURL != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		c.add("base_url", "it is not an http or https URL", "leave it out to use Cloudflare's own")
	}
}

func checkZoneFile(c *checker, cfg Config) {
	f := cfg.ZoneFile
	if f.Dir == "" {
		c.add("dir", "it is empty", "write the directory that holds the zone files")
	}
	if len(f.Reload) > 0 && f.Reload[0] == "" {
		c.add("reload", "the command is empty", "write a list such as [rndc, reload], or leave it out")
	}
	if f.ReloadTimeout < 0 {
		c.add("reload_timeout", "it is negative", "write a duration such as 30s")
	}
}
