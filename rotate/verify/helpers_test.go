package verify_test

import (
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	ns "github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/verify"
)

var s1 = dkim.Name{Domain: "example.test", Selector: "s1"}

// resolver is a recursive resolver that records what it is asked. It knows
// a server for each zone.
type resolver struct {
	*ns.Liar
	mu    sync.Mutex
	asked []string
}

func startResolver(t testing.TB, zones map[string]string) *resolver {
	r := &resolver{}
	r.Liar = ns.StartLiar(t, "", 0, func(w dns.ResponseWriter, m *dns.Msg) {
		q := m.Question[0]
		r.mu.Lock()
		r.asked = append(r.asked, strings.ToLower(q.Name)+" "+dns.TypeToString[q.Qtype])
		r.mu.Unlock()
		w.WriteMsg(resolve(zones, m))
	})
	return r
}

func (r *resolver) questions() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.asked...)
}

// resolve follows CNAMEs from zone to zone, as recursion would.
func resolve(zones map[string]string, m *dns.Msg) *dns.Msg {
	out := new(dns.Msg).SetReply(m)
	out.RecursionAvailable = true
	name := dns.CanonicalName(m.Question[0].Name)
	for range 9 {
		zone := "."
		for z := range zones {
			if dns.IsSubDomain(z, name) && len(z) > len(zone) {
				zone = z
			}
		}
		if zones[zone] == "" {
			root, _ := dns.NewRR(". 86400 IN SOA a.root. b.root. 1 1800 900 604800 86400")
			out.Rcode, out.Ns = dns.RcodeNameError, []dns.RR{root}
			return out
		}
		q := new(dns.Msg).SetQuestion(name, m.Question[0].Qtype)
		q.RecursionDesired = false
		in, _, err := (&dns.Client{Net: "tcp", Timeout: 20 * time.Second}).Exchange(q, zones[zone])
		if err != nil {
			out.Rcode = dns.RcodeServerFailure
			return out
		}
		out.Rcode, out.Answer, out.Ns = in.Rcode, append(out.Answer, in.Answer...), in.Ns
		next, found := name, false
		for range in.Answer {
			for _, rr := range in.Answer {
				if c, ok := rr.(*dns.CNAME); ok && dns.CanonicalName(c.Hdr.Name) == next {
					next = dns.CanonicalName(c.Target)
				}
			}
		}
		for _, rr := range in.Answer {
			found = found || dns.CanonicalName(rr.Header().Name) == next
		}
		if next == name || found {
			return out
		}
		name = next
	}
	return out
}

// newVerifier waits long for answers, on a busy machine too, where the test does not say how long.
func newVerifier(t testing.TB, cfg verify.Config) *verify.Verifier {
	t.Helper()
	if cfg.Timeout == 0 {
		cfg.Timeout = 20 * time.Second
	}
	if len(cfg.Resolvers) == 0 {
		cfg.Resolvers = []string{closed(t)}
	}
	v, err := verify.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func look(t testing.TB, v *verify.Verifier, name dkim.Name) verify.Sight {
	t.Helper()
	s, err := v.Look(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// closed returns an address where nobody listens.
func closed(t testing.TB) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(ns.FreePort(t)))
}

func txt(owner string, values ...string) string {
	var b strings.Builder
	for _, v := range values {
		b.WriteString(owner + " 300 TXT")
		for _, s := range dkim.Strings(v) {
			b.WriteString(` "` + s + `"`)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// record returns a fresh key and the text of its record.
func record(t testing.TB, alg dkim.Algorithm) (*dkim.PrivateKey, string) {
	t.Helper()
	k, err := dkim.Generate(alg)
	if err != nil {
		t.Fatal(err)
	}
	return k, dkim.NewRecord(k.Public(), "").String()
}

func keyID(t testing.TB, value string) string {
	t.Helper()
	r, err := dkim.ParseRecord(value)
	if err != nil {
		t.Fatal(err)
	}
	return r.Key.ID()[:12]
}

func sorted(values ...string) []string { return slices.Sorted(slices.Values(values)) }
