package providers

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/providers/internal/fakecloudflare"
	"github.com/dkimbot/dkimbot/providers/internal/fakeroute53"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// FuzzUnquote: what stands in quotes reads as the zone-file parser of miekg/dns
// reads it; what is quoted here reads back.
func FuzzUnquote(f *testing.F) {
	for _, s := range []string{`plain`, `"one"`, `"one" "two"`, `"a\"b\\c"`, `"a\059b"`, `"a\255b"`, `""`, `"unfinished\`,
		`v=DKIM1; n="x";`, strings.Repeat("x", 600)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := unquoteTXT(text)
		r := rec
		if r.Value = text; acceptable(r) == nil {
			if back := unquoteTXT(quoteTXT(text)); back != text {
				t.Errorf("%q is quoted as %s, which reads as %q", text, quoteTXT(text), back)
			}
			if want, ok := zoneFileTXT(quoteTXT(text)); !ok || want != text {
				t.Errorf("%q is quoted as %s, which a zone file reads as %q", text, quoteTXT(text), want)
			}
		}
		if want, ok := zoneFileTXT(text); ok && got != want {
			t.Errorf("%s reads as %q; a zone file reads %q", text, got, want)
		}
	})
}

// zoneFileTXT reads quoted strings by other code than the package's: a zone-file
// parser, and the octets that it puts on the wire.
func zoneFileTXT(text string) (string, bool) {
	if !strings.HasPrefix(text, `"`) || strings.ContainsAny(text, "\n\r\t") || !onlyQuoted(text) {
		return "", false
	}
	rr, err := dns.NewRR("x. 60 IN TXT " + text)
	if txt, ok := rr.(*dns.TXT); err == nil && ok {
		return wireTXT(txt)
	}
	return "", false
}

// onlyQuoted reports that a text is strings in quotes, apart from one another.
func onlyQuoted(text string) bool {
	quoted, last := false, byte(' ')
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			if d := text[i+1:]; len(d) >= 3 && strings.Trim(d[:3], "0123456789") == "" && d[:3] > "255" {
				return false // no octet: readers differ
			}
			i++
		case c == '"':
			if !quoted && last != ' ' {
				return false
			}
			quoted = !quoted
		case !quoted && c != ' ':
			return false
		}
		last = text[min(i, len(text)-1)]
	}
	return !quoted
}

// wireTXT joins the strings of a record as they stand on the wire.
func wireTXT(txt *dns.TXT) (string, bool) {
	buf := make([]byte, dns.MaxMsgSize)
	end, err := dns.PackRR(txt, buf, 0, nil, false)
	if err != nil {
		return "", false
	}
	var joined []byte
	for data := buf[end-int(txt.Hdr.Rdlength) : end]; len(data) > 0; data = data[int(data[0])+1:] {
		joined = append(joined, data[1:int(data[0])+1]...)
	}
	return string(joined), true
}

// FuzzUpdateAnswer: whatever a server of dynamic updates answers when it is asked
// what stands there, an update is left out only when just that record does.
func FuzzUpdateAnswer(f *testing.F) {
	seed := func(edit func(m *dns.Msg), records ...string) {
		m := new(dns.Msg).SetQuestion(rec.Owner+".", dns.TypeTXT)
		m.Response, m.Authoritative = true, true
		for _, r := range records {
			rr, err := dns.NewRR(r)
			if err != nil {
				f.Fatal(err)
			}
			m.Answer = append(m.Answer, rr)
		}
		if edit != nil {
			edit(m)
		}
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, rec.Value)
	}
	same := rec.Owner + `. 3600 IN TXT "v=DKIM1; k=rsa" "; p=AAAA"`
	seed(nil, same)
	seed(nil, same, rec.Owner+`. 3600 IN TXT "other"`)
	seed(nil, rec.Owner+". 60 IN CNAME elsewhere.test.")
	seed(nil, rec.Owner+`. 60 IN TXT "v=DKIM1; k=rsa; p=AAAA"`)
	seed(nil, rec.Owner+`. 3600 CH TXT "v=DKIM1; k=rsa; p=AAAA"`)
	seed(func(m *dns.Msg) { m.Authoritative = false }, same)
	seed(func(m *dns.Msg) { m.Rcode = dns.RcodeRefused }, same)
	seed(func(m *dns.Msg) { m.Truncated = true }, same)
	seed(nil)
	f.Add([]byte("HTTP/1.1 400\r\n"), `"\`)
	f.Fuzz(func(t *testing.T, message []byte, value string) {
		m := new(dns.Msg)
		if m.Unpack(message) != nil {
			return // the client gives an error then
		}
		r := rec
		r.Value = value
		alias(m, r.Owner)
		authoritative(m, r.Zone)
		if !stands(m, r) {
			return
		}
		txt, ok := m.Answer[0].(*dns.TXT)
		got, packs := "", false
		if ok {
			got, packs = wireTXT(txt)
		}
		h := m.Answer[0].Header()
		if !ok || !packs || got != value || len(m.Answer) != 1 || h.Class != dns.ClassINET || h.Ttl != 3600 ||
			!strings.EqualFold(h.Name, r.Owner+".") ||
			!m.Authoritative || m.Truncated || m.Rcode != dns.RcodeSuccess {
			t.Fatalf("taken for %q:\n%s", value, m)
		}
	})
}

// FuzzCloudflareAnswer: whatever the service answers to one of the requests, success
// is told only when it keeps the value that it was given.
func FuzzCloudflareAnswer(f *testing.F) {
	good := `{"success":true,"errors":[],"messages":[],"result":{"id":"rec1","type":"TXT","name":"s1._domainkey.example.test","content":"\"v=DKIM1; k=rsa; p=AAAA\"","ttl":3600}}`
	for _, body := range []string{good, strings.Replace(good, "AAAA", "BBBB", 1),
		strings.Replace(good, "true", "false", 1), `{"success":true,"result":[]}`, `{"success":true,"result":null}`,
		`{"success":true,"result":[{"id":"a","name":"example.test"}]}`, `{"success":true,"result":[{},{}]}`,
		`{"success":true,"result":[{"id":"a","type":"TXT","content":"x"}]}`,
		`{"success":false,"errors":[{"code":10429,"message":"slow","error_chain":[{"code":1}]}]}`, `<html>502`, ``, `null`,
		`{"result":{"content":"` + strings.Repeat(`\"`, 300) + `"}}`} {
		for at := range uint8(3) {
			f.Add([]byte(body), uint16(200), at)
			f.Add([]byte(body), uint16(502), at)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, status uint16, at uint8) {
		if status < 200 || status > 599 {
			return // no final answer of HTTP's
		}
		service := fakecloudflare.New(rec.Zone)
		answers := &oneOdd{inner: service.Client().Transport, at: int(at % 3), status: int(status), body: body}
		a, err := (&Cloudflare{Client: &http.Client{Transport: answers}}).Open(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer caught(&err)
			err = a.Set(t.Context(), rec)
		}()
		if err != nil {
			failureOf(err)
			return
		}
		if !answers.wrote {
			if got := service.Records(rec.Owner); len(got) != 1 || strings.Join(got[0].Strings(), "") != rec.Value {
				t.Fatalf("success, and the service keeps %+v", got)
			}
			return
		}
		var said struct {
			Success bool
			Errors  []any
			Result  struct{ Content string }
		}
		if err := json.Unmarshal(body, &said); err != nil || !said.Success || len(said.Errors) > 0 || status >= 400 {
			t.Fatalf("success, and the service said %d %s", status, body)
		}
		if want, ok := zoneFileTXT(said.Result.Content); ok && want != rec.Value || !ok &&
			!strings.Contains(said.Result.Content, rec.Value[:7]) {
			t.Fatalf("success, and the service keeps %q", said.Result.Content)
		}
	})
}

// oneOdd answers one of the requests itself.
type oneOdd struct {
	inner            http.RoundTripper
	at, seen, status int
	body             []byte
	wrote            bool // the request that it answered was one to write
}

func (o *oneOdd) RoundTrip(r *http.Request) (*http.Response, error) {
	o.seen++
	if o.seen-1 != o.at {
		return o.inner.RoundTrip(r)
	}
	o.wrote = r.Method != http.MethodGet
	return &http.Response{StatusCode: o.status, Header: http.Header{}, Request: r,
		Body: io.NopCloser(bytes.NewReader(o.body))}, nil
}

// FuzzPublish: a value arrives at each service just as it was given, cut and quoted
// as the service wants it; one that no service carries unchanged is refused by all.
func FuzzPublish(f *testing.F) {
	for _, v := range []string{rec.Value, "x", `"`, `\`, `""`, `"quoted"`, `\059`, `a\"b`, " lead and trail ",
		strings.Repeat("x", 255), strings.Repeat("x", 256), strings.Repeat(`\"`, 300), strings.Repeat("x ", 380),
		"é", "\x00", ""} {
		f.Add(v)
	}
	zone := &fakeroute53.Zone{Name: rec.Zone + "."}
	route53 := fakeroute53.Start(f, zone)
	cloudflare := fakecloudflare.New(rec.Zone)
	updates := startUpdates(f)
	providers := map[string]*Provider{}
	for _, cfg := range []Config{
		{Account: &Route53{Region: "us-east-1", AccessKeyID: fakeroute53.AccessKeyID,
			SecretAccessKey: settings.Inline(fakeroute53.SecretAccessKey)}},
		{Account: &Cloudflare{APIToken: settings.Inline(fakecloudflare.Token), Client: cloudflare.Client()}},
		{Account: &RFC2136{Server: updates.addr, KeyName: updates.keyName, KeyAlgorithm: "hmac-sha256",
			Key: settings.Inline(updates.secret)}},
	} {
		cfg.Name, cfg.Rate = cfg.Account.Driver().Name, 1e6
		p, err := New(f.Context(), cfg)
		if err != nil {
			f.Fatal(err)
		}
		providers[cfg.Name] = p
	}
	kept := map[string]func() [][]string{
		"route53": func() [][]string { records, _ := route53.TXT(zone, rec.Owner); return records },
		"cloudflare": func() (out [][]string) {
			for _, r := range cloudflare.Records(rec.Owner) {
				out = append(out, r.Strings())
			}
			return out
		},
		"rfc2136": updates.kept,
	}
	f.Fuzz(func(t *testing.T, value string) {
		r := rec
		r.Value = value
		for name, p := range providers {
			err := p.Publish(t.Context(), r)
			if acceptable(r) != nil {
				if err == nil {
					t.Errorf("%s takes %q", name, value)
				}
				continue
			}
			if err != nil {
				if len(value) < 2000 {
					t.Errorf("%s refuses %q: %v", name, value, err)
				}
				continue
			}
			got := kept[name]()
			long := slices.ContainsFunc(slices.Concat(got...), func(s string) bool { return len(s) > 255 })
			if len(got) != 1 || strings.Join(got[0], "") != value || long {
				t.Errorf("%s was given %q and keeps %q", name, value, got)
			}
		}
	})
}

// updates is a name server that takes signed dynamic updates of one record.
type updates struct {
	addr, keyName, secret string

	mu      sync.Mutex
	records []*dns.TXT
}

func startUpdates(t testing.TB) *updates {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &updates{addr: l.Addr().String(), keyName: "key.", secret: "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0ISE="}
	s := &dns.Server{Listener: l, Handler: u, TsigSecret: map[string]string{u.keyName: u.secret},
		MsgAcceptFunc: func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }}
	go s.ActivateAndServe()
	t.Cleanup(func() { s.Shutdown() })
	return u
}

func (u *updates) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	u.mu.Lock()
	defer u.mu.Unlock()
	m := new(dns.Msg).SetReply(q)
	m.Authoritative = true
	switch {
	case w.TsigStatus() != nil:
		m.Rcode = dns.RcodeNotAuth
	case q.Opcode == dns.OpcodeUpdate:
		u.records = nil
		for _, rr := range q.Ns {
			if txt, ok := rr.(*dns.TXT); ok && txt.Hdr.Class == dns.ClassINET {
				u.records = append(u.records, txt)
			}
		}
	case q.Question[0].Qtype == dns.TypeTXT:
		for _, txt := range u.records {
			m.Answer = append(m.Answer, txt)
		}
	}
	if tsig := q.IsTsig(); tsig != nil {
		m.SetTsig(tsig.Hdr.Name, tsig.Algorithm, 300, int64(tsig.TimeSigned))
	}
	w.WriteMsg(m)
}

// kept returns the strings of each record as they stand on the wire.
func (u *updates) kept() (out [][]string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, txt := range u.records {
		buf := make([]byte, dns.MaxMsgSize)
		end, err := dns.PackRR(txt, buf, 0, nil, false)
		if err != nil {
			return [][]string{{err.Error()}}
		}
		var texts []string
		for data := buf[end-int(txt.Hdr.Rdlength) : end]; len(data) > 0; data = data[int(data[0])+1:] {
			texts = append(texts, string(data[1:int(data[0])+1]))
		}
		out = append(out, texts)
	}
	return out
}
