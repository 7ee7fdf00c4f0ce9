package providers

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/providers/internal/fakecloudflare"
	"github.com/dkimbot/dkimbot/providers/internal/fakeroute53"
	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// checked asks a provider beforehand about a record.
func checked(t *testing.T, p *Provider, zone, owner string) error {
	t.Helper()
	name := dkim.Name{Domain: zone, Selector: "s1"}
	return preflighttest.Wrong(preflight.Ask(t.Context(), []preflight.Part{{Questions: p.Check(
		[]preflight.Subject{{Name: name, Zone: zone, Owner: owner}})}}, preflight.Usual))
}

// wantChecked wants a fault with this code that holds the words.
func wantChecked(t *testing.T, err error, code string, words ...string) {
	t.Helper()
	faulttest.Shown(t, err)
	if err == nil || string(fault.CodeOf(err)) != code || fault.HintOf(err) == "" {
		t.Errorf("code %q of %v, hint %q; want code %q and a hint", fault.CodeOf(err), err, fault.HintOf(err), code)
		return
	}
	for _, w := range words {
		if all := err.Error() + " " + fault.HintOf(err); !strings.Contains(all, w) {
			t.Errorf("%s; want %q in it", all, w)
		}
	}
}

// What would be refused when the first record is published is told beforehand, by real servers: a wrong
// key, a zone that is not there, a name that the key may not change. An update that removes what is not there
// proves the right, and moves no serial.
func TestCheckUpdates(t *testing.T) {
	eachServer(t, func(t *testing.T, s *nameservertest.Server) {
		s.Add(t, rec.Owner+`. 60 IN TXT "v=DKIM1; p="`, "s2._domainkey.example.test. 60 IN CNAME elsewhere.example.org.")
		serial := s.Query(t, "example.test", "SOA")
		p := openUpdates(t, updateConfig(s))
		for _, owner := range []string{rec.Owner, "s2._domainkey.example.test", "s3._domainkey.example.test"} {
			if err := checked(t, p, "example.test", owner); err != nil {
				t.Errorf("%s: %v", owner, err)
			}
		}
		if now := s.Query(t, "example.test", "SOA"); now[0] != serial[0] {
			t.Errorf("the SOA was %s and is %s", serial, now)
		}
		wantChecked(t, checked(t, p, "example.test", "s1.example.test"), "not-allowed", "does not allow this update",
			" name s1.example.test TXT; }")
		wantChecked(t, checked(t, p, "example.test", "s1._domainkey.below.example.test"), "not-allowed",
			" wildcard *._domainkey.below.example.test TXT; }")
		away := updateConfig(s)
		away.Account.(*RFC2136).Server = "127.0.0.1:1"
		wantChecked(t, checked(t, openUpdates(t, away), "example.test", rec.Owner), "unreachable", "127.0.0.1:1 runs")
		wantChecked(t, checked(t, p, "other.test", "s1._domainkey.other.test"), "not-allowed", "not authoritative")
		for word, change := range map[string]func(*RFC2136){
			"BADSIG": func(c *RFC2136) {
				c.Key = settings.Inline(base64.StdEncoding.EncodeToString([]byte("not the secret of the key")))
			},
			"BADKEY": func(c *RFC2136) { c.KeyName = "other" },
		} {
			cfg := updateConfig(s)
			change(cfg.Account.(*RFC2136))
			wantChecked(t, checked(t, openUpdates(t, cfg), "example.test", rec.Owner), "not-allowed", word)
		}
	})
}

// Route 53: zones and rights are asked for, and nothing is changed.
func TestCheckRoute53(t *testing.T) {
	z := &fakeroute53.Zone{Name: "example.test."}
	s := fakeroute53.Start(t, z)
	p, err := New(t.Context(), Config{Name: "aws", Limits: Limits{Rate: 1000}, Account: &Route53{Region: "us-east-1",
		AccessKeyID: fakeroute53.AccessKeyID, SecretAccessKey: settings.Inline(fakeroute53.SecretAccessKey)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := checked(t, p, "example.test", rec.Owner); err != nil {
		t.Error(err)
	}
	if got, _ := s.TXT(z, rec.Owner); len(got) > 0 {
		t.Errorf("%q stands there", got)
	}
	wantChecked(t, checked(t, p, "other.test", "s1._domainkey.other.test"), "not-allowed", "no hosted zone")
	s.Deny()
	wantChecked(t, checked(t, p, "example.test", rec.Owner), "not-allowed", "not authorized",
		"route53:ChangeResourceRecordSets")
}

// Cloudflare: the token, its zones and its rights.
func TestCheckCloudflare(t *testing.T) {
	open := func(s *fakecloudflare.Service, token string) *Provider {
		p, err := New(t.Context(), Config{Name: "edge", Limits: Limits{Rate: 1000},
			Account: &Cloudflare{APIToken: settings.Inline(token), Client: s.Client()}})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	s := fakecloudflare.New("example.test")
	if err := checked(t, open(s, fakecloudflare.Token), "example.test", rec.Owner); err != nil {
		t.Error(err)
	}
	wantChecked(t, checked(t, open(s, fakecloudflare.Token), "other.test", "s1._domainkey.other.test"), "not-allowed",
		"no zone of that name")
	wantChecked(t, checked(t, open(s, "another-token-0123456789"), "example.test", rec.Owner), "not-allowed", "DNS:Edit")
	s = fakecloudflare.New("example.test")
	s.ReadOnly = true
	wantChecked(t, checked(t, open(s, fakecloudflare.Token), "example.test", rec.Owner), "not-allowed", "DNS:Edit")
	faulttest.Shown(t, open(s, fakecloudflare.Token).fault("check the right to change", rec, accepted()))
}

// Zone files: one that is missing, one that can't be replaced, a reload command that is not there.
func TestCheckZoneFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "example.test.zone")
	if err := os.WriteFile(path, []byte("@ 60 SOA ns hostmaster 1 3600 600 86400 60\n@ 60 NS ns\nns 60 A 127.0.0.1\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	open := func(c *ZoneFile) *Provider {
		c.Dir = dir
		p, err := New(t.Context(), Config{Name: "lab", Account: c})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if err := checked(t, open(&ZoneFile{}), "example.test", rec.Owner); err != nil {
		t.Error(err)
	}
	wantChecked(t, checked(t, open(&ZoneFile{}), "other.test", "s1._domainkey.other.test"), "not-allowed",
		"create the zone file")
	wantChecked(t, checked(t, open(&ZoneFile{Reload: []string{"dkimbot-no-such-program"}}), "example.test", rec.Owner),
		"command-missing", "reload")
	if err := os.WriteFile(path, []byte("this is no zone file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	wantChecked(t, checked(t, open(&ZoneFile{}), "example.test", rec.Owner), "not-allowed", path)
}

// oneName is an account that may change one name alone.
type oneName struct {
	Adapter
	owner string
}

func (a oneName) Cost(string) int { return 1 }

func (a oneName) Check(_ context.Context, rec dkim.TXT) error {
	if rec.Owner != a.owner {
		return fmt.Errorf("%s: REFUSED", rec.Owner)
	}
	return nil
}

// TestBothSelectorsAreChecked: the right to change one selector's record is not the right to change the
// other's, whichever comes first.
func TestBothSelectorsAreChecked(t *testing.T) {
	s1, s2 := "s1._domainkey.example.test", "s2._domainkey.example.test"
	var of []preflight.Subject
	for selector, owner := range map[string]string{"s1": s1, "s2": s2} {
		of = append(of, preflight.Subject{Name: dkim.Name{Domain: "example.test", Selector: selector}, Zone: "example.test",
			Owner: owner})
	}
	for _, allowed := range []string{s1, s2} {
		p := layer(oneName{owner: allowed})
		err := preflighttest.Wrong(preflight.Ask(t.Context(), []preflight.Part{{Questions: p.Check(of)}}, preflight.Usual))
		if err == nil || !strings.Contains(err.Error(), "REFUSED") || strings.Contains(err.Error(), allowed) {
			t.Errorf("only %s may be changed: %v", allowed, err)
		}
	}
}
