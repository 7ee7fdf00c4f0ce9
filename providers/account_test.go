package providers

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/providers/internal/fakecloudflare"
	"github.com/dkimbot/dkimbot/providers/internal/fakeroute53"
	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// exchanged publishes with credentials that are not accepted any more, and again when others stand in their place.
func exchanged(t *testing.T, p *Provider, hint string, secrets []string, renew func()) {
	t.Helper()
	var last string
	for range 2 {
		err := p.Publish(t.Context(), rec)
		faulttest.Shown(t, err)
		if fault.KindOf(err) != fault.Permanent || !strings.Contains(fault.HintOf(err), hint) {
			t.Fatalf("with the old credentials: %v (%s)", err, fault.HintOf(err))
		}
		last = fmt.Sprint(err)
	}
	renew()
	for _, ask := range []func() error{
		func() error { return p.check(t.Context(), checks, rec) }, func() error { return p.Publish(t.Context(), rec) },
	} {
		if err := ask(); err != nil {
			t.Fatalf("with the new credentials: %v", err)
		}
	}
	for _, secret := range secrets {
		if strings.Contains(last, secret) || strings.Contains(p.redact("x "+secret), secret) {
			t.Errorf("a secret shows: %s", last)
		}
	}
}

// TestTokenFileExchanged: what a service does not accept any more is read again, without a restart.
func TestTokenFileExchanged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("Cloudflare", func(t *testing.T) {
		write(file, "cf-token-that-has-expired")
		p := openEdge(t, Cloudflare{APIToken: settings.FromFile(file),
			Client: fakecloudflare.New("example.test").Client()})
		exchanged(t, p, "API token", []string{"cf-token-that-has-expired", fakecloudflare.Token}, func() {
			write(file, "two words") // being written
			if p.Publish(t.Context(), rec) == nil {
				t.Error("half a token is taken")
			}
			write(file, fakecloudflare.Token)
		})
	})
	t.Run("TSIG", func(t *testing.T) {
		s := nameservertest.Options{Narrow: true}.StartBIND(t, nameservertest.Zone{Name: "example.test"})
		old := base64.StdEncoding.EncodeToString([]byte("the secret that the key had before"))
		write(file, old)
		cfg := updateConfig(s)
		cfg.Account.(*RFC2136).Key = settings.FromFile(file)
		exchanged(t, openUpdates(t, cfg), "another one at the server", []string{old, s.KeySecret},
			func() { write(file, s.KeySecret) })
	})
	t.Run("Route 53", func(t *testing.T) {
		for _, several := range []bool{false, true} {
			zones := []*fakeroute53.Zone{{Name: "example.test."}}
			if several { // the zone is known by its id
				zones = append(zones, &fakeroute53.Zone{Name: "example.test.", Private: true})
			}
			s := fakeroute53.Start(t, zones...)
			s.Expire("session-one")
			write(file, "session-one")
			p := openAWS(t, func(c *Config) { c.Account.(*Route53).SessionToken = settings.FromFile(file) })
			if err := p.Publish(t.Context(), rec); err != nil {
				t.Fatal(err)
			}
			s.Expire("session-two")
			exchanged(t, p, "have expired", []string{"session-one", "session-two"}, func() { write(file, "session-two") })
		}
	})
	t.Run("Route 53 by the shared files", func(t *testing.T) {
		s := fakeroute53.Start(t, &fakeroute53.Zone{Name: "example.test."})
		t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
		session := func(token string) {
			write(file, fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\naws_session_token = %s",
				fakeroute53.AccessKeyID, fakeroute53.SecretAccessKey, token))
		}
		session("session-one")
		s.Expire("session-one")
		p := openAWS(t, func(c *Config) { c.Account = &Route53{} })
		if err := p.Publish(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		s.Expire("session-two")
		exchanged(t, p, "have expired", nil, func() { session("session-two") })
	})
}
