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
	"github.com/dkimbot/dkimbot/rotate/settings"
)

func goodAccounts() map[string]Account {
	return map[string]Account{
		"rfc2136": &RFC2136{Server: "192.0.2.1:53", KeyName: "dkimbot.", KeyAlgorithm: "hmac-sha256",
			Key: settings.Inline("c2VjcmV0")},
		"route53":    &Route53{},
		"cloudflare": &Cloudflare{APIToken: settings.Inline("token")},
		"zonefile":   &ZoneFile{Dir: "/zones"},
	}
}

func TestGoodAccountsOpen(t *testing.T) {
	good := goodAccounts()
	for _, a := range Drivers() {
		d := a.Driver()
		if d.Name == "" || d.Service == "" || d.Meaning == "" || good[d.Name] == nil {
			t.Fatalf("%+v is not whole, or has no good account in this test", d)
		}
		if _, err := New(t.Context(), Config{Name: "office", Account: good[d.Name]}); err != nil {
			t.Errorf("%s: %v", d.Name, err)
		}
	}
	for given, want := range map[string]string{"192.0.2.1": "192.0.2.1:53", "192.0.2.1:5353": "192.0.2.1:5353",
		"2001:db8::1":      "[2001:db8::1]:53",
		"[2001:db8::1]:53": "[2001:db8::1]:53", "ns1.example.com": "ns1.example.com:53",
		"ns1.example.com:53": "ns1.example.com:53"} {
		a := good["rfc2136"].(*RFC2136)
		a.Server = given
		if _, err := New(t.Context(), Config{Account: a}); err != nil || a.Server != want {
			t.Errorf("server %s becomes %s, want %s: %v", given, a.Server, want, err)
		}
	}
}

// The rules are those of the fields, whoever fills in an account: every mistake is reported at
// once, each with its key and what to write instead, and nothing is opened.
func TestNewKeepsTheRules(t *testing.T) {
	secret := settings.Inline("s3cr3t")
	for name, tc := range map[string]struct {
		account Account
		limits  Limits
		want    []string
	}{
		"negative limits": {account: &Route53{}, limits: Limits{-1, -1, -1},
			want: []string{"parallel", "rate", "timeout"}},
		"rfc2136 empty": {account: newRFC2136(), want: []string{"key", "key_name", "server"}},
		"server with bad port": {account: &RFC2136{Server: "192.0.2.1:99999",
			KeyName: "a", Key: settings.Inline("c2VjcmV0")}, want: []string{"server"}},
		"server with named port": {account: &RFC2136{Server: "192.0.2.1:domain",
			KeyName: "a", Key: settings.Inline("c2VjcmV0")}, want: []string{"server"}},
		"server is a URL": {account: &RFC2136{Server: "https://192.0.2.1/",
			KeyName: "a", Key: settings.Inline("c2VjcmV0")}, want: []string{"server"}},
		"server with no host": {account: &RFC2136{Server: ":53", KeyName: "a", Key: settings.Inline("c2VjcmV0")},
			want: []string{"server"}},
		"key name": {account: &RFC2136{Server: "192.0.2.1", KeyName: "a..b", Key: settings.Inline("c2VjcmV0")},
			want: []string{"key_name"}},
		"MD5": {account: &RFC2136{Server: "192.0.2.1", KeyName: "a", KeyAlgorithm: "hmac-md5",
			Key: settings.Inline("c2VjcmV0")}, want: []string{"key_algorithm"}},
		"key in hex": {account: &RFC2136{Server: "192.0.2.1", KeyName: "a", Key: settings.Inline("zz:zz")},
			want: []string{"key"}},
		"key with quotes": {account: &RFC2136{Server: "192.0.2.1", KeyName: "a", Key: settings.Inline(`"c2VjcmV0"`)},
			want: []string{"key"}},
		"half an AWS key":     {account: &Route53{AccessKeyID: "AKID"}, want: []string{"secret_access_key"}},
		"the other half":      {account: &Route53{SecretAccessKey: secret}, want: []string{"secret_access_key"}},
		"token without a key": {account: &Route53{SessionToken: secret}, want: []string{"session_token"}},
		"secret of two words": {account: &Route53{AccessKeyID: "AKID", SecretAccessKey: settings.Inline("s3cr3t s3cr3t")},
			want: []string{"secret_access_key"}},
		"zone id is a name":     {account: &Route53{HostedZoneID: "example.com."}, want: []string{"hosted_zone_id"}},
		"no token":              {account: &Cloudflare{}, want: []string{"api_token"}},
		"token with a line end": {account: &Cloudflare{APIToken: settings.Inline("token\n")}, want: []string{"api_token"}},
		"no directory": {account: &ZoneFile{Reload: []string{""}, ReloadTimeout: -1},
			want: []string{"dir", "reload", "reload_timeout"}},
		"relative directory": {account: &ZoneFile{Dir: "zones"}, want: []string{"dir"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(t.Context(), Config{Name: "office", Account: tc.account, Limits: tc.limits})
			if err == nil || fault.KindOf(err) != fault.Permanent || !strings.Contains(err.Error(), "provider office") ||
				strings.Contains(err.Error(), "s3cr3t") {
				t.Fatalf("got %v", err)
			}
			faulttest.Shown(t, err)
			secrets, err := settings.ReadSecrets(tc.account)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tc.want, brokenKeys(settings.Check(tc.account, secrets),
				settings.Check(&tc.limits, nil))); d != "" {
				t.Error(d)
			}
		})
	}
}

func brokenKeys(errs ...error) (keys []string) {
	for _, err := range errs {
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok {
			continue
		}
		for _, e := range joined.Unwrap() {
			if p := (*settings.Problem)(nil); errors.As(e, &p) && p.Text != "" && p.Remedy != "" {
				keys = append(keys, p.Keys[0])
			}
		}
	}
	slices.Sort(keys)
	return keys
}

// A Config can be printed, logged and marshalled without its secrets (I9).
func TestConfigKeepsSecrets(t *testing.T) {
	secret := settings.Inline("s3cr3t \x01 s3cr3t")
	var text strings.Builder
	for _, a := range []Account{&RFC2136{Key: secret}, &Route53{SecretAccessKey: secret, SessionToken: secret},
		&Cloudflare{APIToken: secret}} {
		cfg := Config{Name: "office", Account: a, Limits: Limits{Timeout: time.Second}}
		slog.New(slog.NewTextHandler(&text, nil)).Info("x", "cfg", cfg, "account", a)
		asJSON, err := json.Marshal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		_, err = New(t.Context(), cfg)
		fmt.Fprintf(&text, "%v %+v %#v %s %v\n", cfg, a, a, asJSON, err)
	}
	if got := text.String(); strings.Contains(got, "s3cr3t") || strings.Contains(got, fmt.Sprintf("%x", "s3cr3t")) {
		t.Errorf("a secret shows in\n%s", got)
	}
}
