package zonefile

import (
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/providers/zonefile/master"
)

// What the server answers for the corpus equals what BIND answers from the same
// files: response code, flags, answer and authority with their TTLs, for all names and types.
func TestCorpusIsServedAsBINDDoes(t *testing.T) {
	dir := t.TempDir()
	var zones []nameservertest.Zone
	asked := map[string]map[string]bool{} // names by zone
	var log strings.Builder
	add := func(zone, text string) {
		path := filepath.Join(dir, zone+suffix)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		r, _, err := master.Read(zone+".", path, master.Content{Text: text})
		if err != nil {
			t.Errorf("%s: %v", zone, err)
			return
		}
		zones = append(zones, nameservertest.Zone{Name: zone, File: path})
		asked[zone] = namesOf(r)
	}
	if err := os.CopyFS(dir, os.DirFS("testdata/corpus")); err != nil {
		t.Fatal(err)
	}
	records := corpusHead
	for i, line := range corpusLines(t, "records.txt") {
		if !strings.HasPrefix(line, notBIND) {
			records += fmt.Sprintf("f%d %s\n", i+1, line)
		}
	}
	add("example.com", records)
	for _, list := range []struct{ file, head string }{{"files.txt", corpusHead}, {"heads.txt", ""}} {
		for i, line := range corpusLines(t, list.file) {
			zone := fmt.Sprintf("%s%d.com", strings.TrimSuffix(list.file, ".txt"), i+1)
			text := list.head + strings.NewReplacer("example.net", "example.net", "example.org", "example.org", "inc.inc",
				filepath.Join(dir, "inc.inc"), "example", strings.TrimSuffix(zone, ".com")).Replace(line) + "\n"
			if !strings.HasPrefix(line, notBIND) {
				add(zone, text)
				if strings.HasPrefix(line, "child NS") { // the server has both sides of the cut
					add("child."+zone, corpusHead+"www A 192.0.2.1\n")
				}
			}
		}
	}
	bind := nameservertest.StartBIND(t, zones...)
	s, err := Serve(dir, "127.0.0.1:0", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	compareAll(t, s.Addr(), bind.Addr, asked)
	if log.Len() > 0 {
		t.Errorf("not all can be read:\n%s", &log)
	}
}

// namesOf returns the names of a zone, those below and above them, and names that don't exist.
func namesOf(r *master.Reader) map[string]bool {
	names := map[string]bool{r.Zone: true, "nothing.here." + r.Zone: true}
	for i := range r.Records {
		owner := r.Records[i].Owner
		for n := owner; n != r.Zone && dns.IsSubDomain(r.Zone, dns.CanonicalName(n)); n = parent(n) {
			names[n] = true
		}
		if len(owner) < 240 {
			names["x."+owner], names["x.y."+owner] = true, true
		}
	}
	return names
}

func compareAll(t *testing.T, ours, bind string, asked map[string]map[string]bool) {
	type question struct {
		name string
		kind uint16
	}
	questions, count := make(chan question), 0
	var group sync.WaitGroup
	var mu sync.Mutex
	differ := map[string]int{}
	for range 4 {
		group.Go(func() {
			a, b := newAsker(t, ours), newAsker(t, bind)
			for q := range questions {
				got, want := a.ask(q.name, q.kind), b.ask(q.name, q.kind)
				if diff := cmp.Diff(want, got); diff != "" {
					mu.Lock()
					if differ[q.name]++; differ[q.name] == 1 && len(differ) < 30 {
						t.Errorf("%s %s: BIND -, we +:\n%s", q.name, dns.Type(q.kind), diff)
					}
					mu.Unlock()
				}
			}
		})
	}
	kinds := slices.Sorted(maps.Keys(dns.TypeToString))
	kinds = slices.DeleteFunc(kinds, func(k uint16) bool { return k == dns.TypeAXFR || k == dns.TypeIXFR })
	kinds = append(kinds, 11, 22, 38, 40, 259, 65280)
	for kind := range uint16(300) {
		if kind != dns.TypeAXFR && kind != dns.TypeIXFR {
			questions <- question{"ns.example.com.", kind}
		}
	}
	some := []uint16{dns.TypeA, dns.TypeAAAA, dns.TypeNS, dns.TypeSOA, dns.TypeCNAME, dns.TypeDNAME, dns.TypeMX,
		dns.TypeTXT, dns.TypeDS, dns.TypeANY,
		dns.TypeSRV, dns.TypePTR, dns.TypeHTTPS, dns.TypeRRSIG, dns.TypeNULL, 65280}
	for zone, names := range asked {
		for name := range names {
			these := some
			if zone == "example.com" && !strings.HasPrefix(name, "x.") {
				these = kinds
			}
			for _, kind := range these {
				if count++; !raceEnabled || count%10 == 0 {
					questions <- question{name, kind}
				}
			}
		}
	}
	close(questions)
	group.Wait()
	t.Logf("%d questions, %d names with differences", count, len(differ))
}

type asker struct {
	t    *testing.T
	addr string
	udp  *dns.Conn
}

func newAsker(t *testing.T, addr string) *asker { return &asker{t: t, addr: addr} }

// ask returns the essence of an answer over UDP.
func (a *asker) ask(name string, kind uint16) []string {
	m := new(dns.Msg).SetQuestion(name, kind)
	m.RecursionDesired = false
	m.SetEdns0(ednsSize, false)
	return a.exchange(m)
}

func (a *asker) exchange(m *dns.Msg) []string {
	c := dns.Client{Timeout: 5 * time.Second, UDPSize: 4096}
	for try := 0; ; try++ {
		if a.udp == nil {
			conn, err := c.Dial(a.addr)
			if err != nil {
				a.t.Error(err)
				return nil
			}
			a.udp = conn
		}
		r, err := exchange(m, a.udp)
		if err == nil {
			return r
		}
		a.udp.Close()
		if a.udp = nil; try == 3 {
			a.t.Errorf("%v: %v", m.Question, err)
			return nil
		}
	}
}

func exchange(m *dns.Msg, conn *dns.Conn) ([]string, error) {
	conn.SetDeadline(time.Now().Add(20 * time.Second)) // a busy machine, or a datagram that was lost
	if err := conn.WriteMsg(m); err != nil {
		return nil, err
	}
	for {
		raw, err := conn.ReadMsgHeader(nil)
		if err != nil {
			return nil, err
		}
		if uint16(raw[0])<<8|uint16(raw[1]) == m.Id {
			return answered(raw)
		}
	}
}

// answered returns the essence of an answer. Rare types stay bytes: miekg/dns knows them in part only.
func answered(raw []byte) ([]string, error) {
	number := func(i int) int { return int(raw[i])<<8 | int(raw[i+1]) }
	truncated := raw[2]&2 != 0
	out := []string{fmt.Sprintf("%s aa %v tc %v", dns.RcodeToString[int(raw[3]&15)], raw[2]&4 != 0, truncated)}
	if truncated {
		return out, nil
	}
	_, off, err := dns.UnpackDomainName(raw, 12)
	off += 4
	for i := 0; err == nil && i < number(6)+number(8); i++ {
		section := "answer"
		if i >= number(6) {
			section = "authority"
		}
		var name string
		start := off
		if name, off, err = dns.UnpackDomainName(raw, off); err != nil {
			break
		}
		kind, end := number(off), off+10+number(off+8)
		data := raw[off+10 : end]
		if rr, _, err := dns.UnpackRR(raw, start); err == nil { // names may be compressed
			buf := make([]byte, dns.MaxMsgSize)
			n, _ := dns.PackRR(rr, buf, 0, nil, false)
			data = buf[n-int(rr.Header().Rdlength) : n]
		}
		for i, c := range data { // letter case differs where names are compressed
			if c >= 'A' && c <= 'Z' {
				data[i] |= 0x20
			}
		}
		out = append(out, fmt.Sprintf("%s %s %d %s %x", section, strings.ToLower(name), number(off+4)<<16|number(off+6),
			dns.Type(kind), data))
		off = end
	}
	slices.Sort(out)
	return out, err
}
