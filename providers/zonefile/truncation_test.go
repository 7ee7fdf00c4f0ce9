package zonefile

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
)

// An answer over UDP is truncated where BIND truncates it (names are compressed a little
// differently, so not to the byte): what is only
// helpful is left out before.
func TestTruncationAsBIND(t *testing.T) {
	var b strings.Builder
	b.WriteString(corpusHead)
	for n := 3; n <= 45; n += 4 {
		for i := range n {
			fmt.Fprintf(&b, "t%d TXT \"record number %d\"\nm%d MX %d host%d.mail.m%d\na%d A 192.0.2.%d\n", n, i, n,
				i, i, n, n, i+1)
			fmt.Fprintf(&b, "d%d NS ns%d.d%d\nns%d.d%d A 192.0.2.1\nns%d.d%d AAAA 2001:db8::1\n", n, i, n, i, n, i, n)
			fmt.Fprintf(&b, "o%d NS ns%d.example.net.\nr%d NS ns%d.d1\n", n, i, n, i)
		}
		fmt.Fprintf(&b, "c%d CNAME t%d\n", n, n)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "example.com.zone")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	bind := nameservertest.StartBIND(t, nameservertest.Zone{Name: "example.com", File: path})
	s, err := Serve(dir, "127.0.0.1:0", slog.Default())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ours, theirs := newAsker(t, s.Addr()), newAsker(t, bind.Addr)
	count := map[bool]int{}
	for n := 3; n <= 45; n += 4 {
		for _, q := range []string{"t%d TXT", "t%d ANY", "m%d MX", "a%d A", "c%d TXT", "x.d%d TXT", "o%d TXT", "x.r%d A"} {
			name, kind, _ := strings.Cut(fmt.Sprintf(q, n), " ")
			for _, size := range []uint16{0, 400, 512, 700, 1000, 1232, 1400, 4096} {
				m := new(dns.Msg).SetQuestion(name+".example.com.", dns.StringToType[kind])
				m.RecursionDesired = false
				if size > 0 {
					m.SetEdns0(size, false)
				}
				got, want := ours.exchange(m), theirs.exchange(m)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s %s, size %d: BIND -, we +:\n%s", name, kind, size, diff)
				}
				count[len(want) > 0 && strings.HasSuffix(want[0], "true")]++
			}
		}
	}
	if count[true] == 0 || count[false] == 0 {
		t.Errorf("%v were truncated: nothing is compared", count)
	}
}
