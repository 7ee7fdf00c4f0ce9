package providers

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

func goodConfigs() map[string]Config {
	return map[string]Config{
		"rfc2136":    {Driver: "rfc2136", RFC2136: RFC2136{Server: "192.0.2.1:53", KeyName: "dkimbot.", Key: "c2VjcmV0"}},
		"route53":    {Driver: "route53"},
		"cloudflare": {Driver: "cloudflare", Cloudflare: Cloudflare{APIToken: "token"}},
		"zonefile":   {Driver: "zonefile", ZoneFile: ZoneFile{Dir: "zones"}},
	}
}

func problemKeys(err error) []string {
	keys := []string{}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return keys
	}
	for _, e := range joined.Unwrap() {
		var p *Problem
		if errors.As(e, &p) && p.Message != "" && p.Hint != "" {
			keys = append(keys, p.Key)
		}
	}
	slices.Sort(keys)
	return keys
}

func TestCheckAccepts(t *testing.T) {
	good := goodConfigs()
	if d := cmp.Diff(Drivers(), slices.Sorted(func(yield func(string) bool) {
		for name := range good {
			if !yield(name) {
				return
			}
		}
	})); d != "" {
		t.Fatal(d)
	}
	for name, cfg := range good {
		if err := Check(cfg); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, server := range []string{"192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:53", "ns1.example.com", "ns1.example.com:53"} {
		cfg := good["rfc2136"]
		cfg.RFC2136.Server = server
		if err := Check(cfg); err != nil {
			t.Errorf("server %s: %v", server, err)
		}
	}
}

// Every mistake is reported at once, each with its key and what to write instead.
func TestCheckReports(t *testing.T) {
	for name, tc := range map[string]struct {
		driver string
		change func(*Config)
		want   []string
	}{
		"unknown driver":         {"rfc2136", func(c *Config) { c.Driver = "bind" }, []string{"driver"}},
		"no driver":              {"rfc2136", func(c *Config) { c.Driver = "" }, []string{"driver"}},
		"negative times":         {"route53", func(c *Config) { c.Timeout, c.Total, c.Rate, c.Parallel = -1, -1, -1, -1 }, []string{"parallel", "rate", "timeout", "total"}},
		"rfc2136 empty":          {"rfc2136", func(c *Config) { c.RFC2136 = RFC2136{} }, []string{"key", "key_name", "server"}},
		"server with bad port":   {"rfc2136", func(c *Config) { c.RFC2136.Server = "192.0.2.1:99999" }, []string{"server"}},
		"server with named port": {"rfc2136", func(c *Config) { c.RFC2136.Server = "192.0.2.1:domain" }, []string{"server"}},
		"server is a URL":        {"rfc2136", func(c *Config) { c.RFC2136.Server = "https://192.0.2.1/" }, []string{"server"}},
		"server with no host":    {"rfc2136", func(c *Config) { c.RFC2136.Server = ":53" }, []string{"server"}},
		"key name":               {"rfc2136", func(c *Config) { c.RFC2136.KeyName = "a..b" }, []string{"key_name"}},
		"MD5":                    {"rfc2136", func(c *Config) { c.RFC2136.KeyAlgorithm = "hmac-md5" }, []string{"key_algorithm"}},
		"key in hex":             {"rfc2136", func(c *Config) { c.RFC2136.Key = "zz:zz" }, []string{"key"}},
		"key with quotes":        {"rfc2136", func(c *Config) { c.RFC2136.Key = `"c2VjcmV0"` }, []string{"key"}},
		"half an AWS key":        {"route53", func(c *Config) { c.Route53.AccessKeyID = "AKID" }, []string{"access_key_id"}},
		"the other half":         {"route53", func(c *Config) { c.Route53.SecretAccessKey = "s" }, []string{"access_key_id"}},
		"token without a key":    {"route53", func(c *Config) { c.Route53.SessionToken = "s" }, []string{"session_token"}},
		"zone id is a name":      {"route53", func(c *Config) { c.Route53.ZoneID = "example.com." }, []string{"zone_id"}},
		"no token":               {"cloudflare", func(c *Config) { c.Cloudflare.APIToken = "" }, []string{"api_token"}},
		"token with a line end":  {"cloudflare", func(c *Config) { c.Cloudflare.APIToken = "token\n" }, []string{"api_token"}},
		"base URL":               {"cloudflare", func(c *Config) { c.Cloudflare.BaseURL = "api.cloudflare.com" }, []string{"base_url"}},
		"no directory":           {"zonefile", func(c *Config) { c.ZoneFile = ZoneFile{Reload: []string{""}, ReloadTimeout: -1} }, []string{"dir", "reload", "reload_timeout"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := goodConfigs()[tc.driver]
			cfg.Name = "office"
			tc.change(&cfg)
			err := Check(cfg)
			if d := cmp.Diff(tc.want, problemKeys(err)); d != "" {
				t.Errorf("%v: %s", err, d)
			}
			for _, one := range err.(interface{ Unwrap() []error }).Unwrap() {
				faulttest.Shown(t, fault.Lasting(one.Error(), nil, one.(*Problem).Hint)) // as validate shows it
			}
			if !strings.Contains(fmt.Sprint(err), "provider office") {
				t.Errorf("%v does not name the provider", err)
			}
			if _, err := New(t.Context(), cfg); err == nil || fault.KindOf(err) != fault.Permanent {
				t.Errorf("New: %v", err)
			} else {
				faulttest.Shown(t, err)
			}
		})
	}
}

// A mistake in a secret is reported without the secret, and a Config can be
// printed, logged and marshalled (I9).
func TestConfigKeepsSecrets(t *testing.T) {
	const secret = "s3cr3t \x01 s3cr3t"
	cfg := Config{Name: "office", Driver: "cloudflare", Timeout: time.Second,
		RFC2136: RFC2136{Key: secret}, Route53: Route53{SecretAccessKey: secret, SessionToken: secret}, Cloudflare: Cloudflare{APIToken: secret}}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "cfg", cfg, "key", cfg.RFC2136.Key)
	asJSON, err := json.Marshal(struct {
		A Route53
		B RFC2136
	}{cfg.Route53, cfg.RFC2136})
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%v %+v %#v %x %d\n", cfg, cfg, cfg, cfg.RFC2136.Key, cfg.RFC2136.Key) + log.String() + string(asJSON)
	for _, driver := range Drivers() {
		cfg.Driver = driver
		text += fmt.Sprintln(Check(cfg))
	}
	if strings.Contains(text, "s3cr3t") || strings.Contains(text, fmt.Sprintf("%x", "s3cr3t")) {
		t.Errorf("a secret shows in\n%s", text)
	}
}
