package providers_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/providers"
	"github.com/dkimbot/dkimbot/providers/internal/fakecloudflare"
	"github.com/dkimbot/dkimbot/providers/internal/fakeroute53"
	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/providers/providertest"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

const zone = "example.test"

func open(t testing.TB, cfg providers.Config) *providers.Provider {
	t.Helper()
	if cfg.Name == "" {
		cfg.Name = "office"
	}
	p, err := providers.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestConformanceRFC2136(t *testing.T) {
	for name, start := range map[string]func(testing.TB) *nameservertest.Server{
		"BIND": func(t testing.TB) *nameservertest.Server {
			return nameservertest.StartBIND(t, nameservertest.Zone{Name: zone})
		},
		"BIND narrow": func(t testing.TB) *nameservertest.Server {
			return nameservertest.Options{Narrow: true}.StartBIND(t, nameservertest.Zone{Name: zone})
		},
		"Knot": func(t testing.TB) *nameservertest.Server {
			return nameservertest.StartKnot(t, nameservertest.Zone{Name: zone})
		},
		"Knot narrow": func(t testing.TB) *nameservertest.Server {
			return nameservertest.Options{Narrow: true}.StartKnot(t, nameservertest.Zone{Name: zone})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			plant := func(t testing.TB, owner, kind, data string) { s.Add(t, owner+". 60 IN "+kind+" "+data) }
			providertest.Run(t, providertest.Harness{
				Publisher: open(t, updates(s)),
				Zone:      zone,
				Served:    func(t testing.TB, owner string) []providertest.Answer { return served(t, s.Addr, owner) },
				AddTXT:    func(t testing.TB, owner, value string) { plant(t, owner, "TXT", `"`+value+`"`) },
				AddCNAME:  func(t testing.TB, owner, target string) { plant(t, owner, "CNAME", target+".") },
			})
		})
	}
}

func updates(s *nameservertest.Server) providers.Config {
	return providers.Config{Account: &providers.RFC2136{
		Server: s.Addr, KeyName: s.KeyName, KeyAlgorithm: s.KeyAlgorithm, Key: settings.Inline(s.KeySecret)}}
}

// served asks a name server, as the world does.
func served(t testing.TB, addr, owner string) []providertest.Answer {
	return answers(nameservertest.Exchange(t, addr, owner, "TXT").Answer)
}

func answers(rrs []dns.RR) (out []providertest.Answer) {
	for _, rr := range rrs {
		if txt, ok := rr.(*dns.TXT); ok {
			a := providertest.Answer{TTL: time.Duration(txt.Hdr.Ttl) * time.Second}
			for _, s := range txt.Txt {
				a.Strings = append(a.Strings, octets(s))
			}
			out = append(out, a)
		}
	}
	return out
}

// octets undoes the escapes in which miekg/dns keeps strings. The values here
// are printable, so only quotes and backslashes have them.
func octets(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(s)
}

func TestConformanceRoute53(t *testing.T) {
	z := &fakeroute53.Zone{Name: zone + "."}
	s := fakeroute53.Start(t, z, &fakeroute53.Zone{Name: "another.test."})
	providertest.Run(t, providertest.Harness{
		Publisher: open(t, aws()),
		Zone:      zone,
		Served: func(t testing.TB, owner string) []providertest.Answer {
			var out []providertest.Answer
			records, ttl := s.TXT(z, owner)
			for _, texts := range records {
				out = append(out, providertest.Answer{Strings: texts, TTL: time.Duration(ttl) * time.Second})
			}
			return out
		},
		AddTXT: func(t testing.TB, owner, value string) {
			set := fakeroute53.Set{TTL: 60, Values: []string{`"` + value + `"`}}
			if old, _ := s.TXT(z, owner); len(old) > 0 {
				set.Values = append(set.Values, `"`+old[0][0]+`"`)
			}
			s.Put(z, owner+".", "TXT", set)
		},
		AddCNAME: func(t testing.TB, owner, target string) {
			s.Put(z, owner+".", "CNAME", fakeroute53.Set{TTL: 60, Values: []string{target + "."}})
		},
	})
}

func aws() providers.Config {
	return providers.Config{Limits: providers.Limits{Rate: 1000}, Account: &providers.Route53{
		Region: "us-east-1", AccessKeyID: fakeroute53.AccessKeyID,
		SecretAccessKey: settings.Inline(fakeroute53.SecretAccessKey)}}
}

func TestConformanceCloudflare(t *testing.T) {
	s := fakecloudflare.New("another.test", zone)
	providertest.Run(t, providertest.Harness{
		Publisher: open(t, edge(s)),
		Zone:      zone,
		Served: func(t testing.TB, owner string) []providertest.Answer {
			var out []providertest.Answer
			for _, r := range s.Records(owner) {
				if r.Type == "TXT" {
					out = append(out, providertest.Answer{Strings: r.Strings(), TTL: time.Duration(r.TTL) * time.Second})
				}
			}
			return out
		},
		AddTXT:   func(t testing.TB, owner, value string) { s.Add("TXT", owner, value, 60) },
		AddCNAME: func(t testing.TB, owner, target string) { s.Add("CNAME", owner, target, 60) },
	})
}

func edge(s *fakecloudflare.Service) providers.Config {
	return providers.Config{Limits: providers.Limits{Rate: 1000},
		Account: &providers.Cloudflare{APIToken: settings.Inline(fakecloudflare.Token), Client: s.Client()}}
}

func TestConformanceZoneFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, zone+".zone")
	if err := os.WriteFile(file, []byte("$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"),
		0o600); err != nil {
		t.Fatal(err)
	}
	plant := func(t testing.TB, line string) {
		f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = fmt.Fprintln(f, line)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	providertest.Run(t, providertest.Harness{
		Publisher: open(t, providers.Config{Account: &providers.ZoneFile{Dir: dir}}),
		Zone:      zone,
		Served: func(t testing.TB, owner string) []providertest.Answer {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Error(err)
			}
			var found []dns.RR
			p := dns.NewZoneParser(bytes.NewReader(text), zone+".", file)
			for rr, ok := p.Next(); ok; rr, ok = p.Next() {
				if rr.Header().Name == owner+"." {
					found = append(found, rr)
				}
			}
			if err := p.Err(); err != nil {
				t.Error(err)
			}
			return answers(found)
		},
		AddTXT:   func(t testing.TB, owner, value string) { plant(t, owner+`. TXT "`+value+`"`) },
		AddCNAME: func(t testing.TB, owner, target string) { plant(t, owner+". CNAME "+target+".") },
	})
}
