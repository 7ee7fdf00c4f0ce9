package providers

import (
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// TestRevokedBesideOthers: a compromised key's record that stands beside somebody else's is revoked alone: the other one
// stays as it was, with its time to live. What comes between the look and the write keeps the server from it, and where
// nothing of ours stands nothing is changed (I6).
func TestRevokedBesideOthers(t *testing.T) {
	const theirs, later = "v=DKIM1; n=theirs; p=AAAA", "v=spf1 -all"
	old, revoked := rec.Value, rec
	revoked.Value, revoked.Beside, revoked.TTL = "v=DKIM1; k=rsa; p=", true, 30*time.Minute
	revoked.Replaces = func(v string) bool { return v == old || v == revoked.Value }
	eachServer(t, func(t *testing.T, s *nameservertest.Server) {
		p := openUpdates(t, updateConfig(s))
		s.Add(t, rec.Owner+`. 60 IN TXT "`+theirs+`"`)
		if err := p.Publish(t.Context(), revoked); fault.CodeOf(err) != codes.ForeignRecord {
			t.Errorf("where only theirs stands: %v", err)
		}
		s.Add(t, rec.Owner+". 60 IN TXT "+quoteTXT(old))
		plain := revoked
		plain.Beside = false
		if err := p.Publish(t.Context(), plain); fault.CodeOf(err) != codes.ForeignRecord {
			t.Errorf("what is to stand alone: %v", err)
		}
		for range 2 {
			if err := p.Publish(t.Context(), revoked); err != nil {
				t.Fatal(err)
			}
			got := s.Query(t, rec.Owner, "TXT")
			if slices.Sort(got); !slices.Equal(got, []string{revoked.Value, theirs}) {
				t.Errorf("served %q", got)
			}
		}
		if ttl := ttlOf(t, s, rec.Owner); ttl != 60 {
			t.Errorf("the other record's time to live is %d", ttl)
		}
		s.Remove(t, rec.Owner, "TXT")
		s.Add(t, rec.Owner+`. 60 IN TXT "`+theirs+`"`)
		s.Add(t, rec.Owner+". 60 IN TXT "+quoteTXT(old))
		proxy := slowUpdates(t, s.Addr, 0)
		proxy.before = func() { s.Add(t, rec.Owner+`. 60 IN TXT "`+later+`"`) }
		cfg := updateConfig(s)
		cfg.Account.(*RFC2136).Server = proxy.addr
		if err := openUpdates(t, cfg).Publish(t.Context(), revoked); fault.CodeOf(err) != codes.ForeignRecord {
			t.Errorf("with one more between look and write: %v", err)
		}
		if got := s.Query(t, rec.Owner, "TXT"); len(got) != 3 {
			t.Errorf("served %q", got)
		}
	})
}

// ttlOf asks a server for the time to live of the TXT records at a name.
func ttlOf(t *testing.T, s *nameservertest.Server, owner string) uint32 {
	t.Helper()
	answer, err := dns.Exchange(new(dns.Msg).SetQuestion(owner+".", dns.TypeTXT), s.Addr)
	if err != nil || len(answer.Answer) == 0 {
		t.Fatal(err, answer)
	}
	return answer.Answer[0].Header().Ttl
}
