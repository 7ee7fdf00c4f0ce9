package zonefile

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/libdns/libdns"
	"github.com/miekg/dns"
)

// Whatever the text: a change that succeeds loses no foreign record and no
// byte of foreign text, and what is parsed afterwards is what was there plus ours (I6).
func FuzzSetRecords(f *testing.F) {
	for _, text := range layouts {
		f.Add(strings.Replace(text, "§", "", 1), "v=DKIM1; p=\"\\\x00")
	}
	f.Add(soaLine+"a TXT x\n"+beginLine+"b 60 TXT \"y\"\n"+endLine+"c TXT z\n", "")
	f.Add(soaLine+"$GENERATE 1-3 h$ A 192.0.2.$\n$ORIGIN x\n$TTL 1W\n\\@ TXT \\032\\\"\n", strings.Repeat("x", 600))
	f.Add("@ 0 SOA a b 4294967295 1 1 1 1;\n* TXT a;\"\n", "é")
	f.Fuzz(func(t *testing.T, text, value string) {
		// Included files and long generated lists only slow the search down.
		if upper := strings.ToUpper(text); strings.Contains(upper, "$INCLUDE") || strings.Count(upper, "$GENERATE") > strings.Count(text, "$GENERATE 1-3 ") || len(value) > 2000 {
			return
		}
		d, err := parseDocument("example.com.", "/nowhere/zone", text)
		if err != nil {
			return
		}
		rr, err := toRR(libdns.RR{Name: "s1._domainkey", Type: "TXT", TTL: 1e9, Data: value}, "example.com.")
		if err != nil {
			t.Fatal(err)
		}
		own := append(slices.Clone(d.own), rr)
		got, err := d.rewrite(own, testDay)
		if err != nil {
			if d.block.start == len(text) && !strings.Contains(err.Error(), "SOA") {
				t.Fatalf("nothing stands in the way, but: %v", err)
			}
			return
		}
		checkText(t, d, got)
		checkRecords(t, d, got, own, value)
	})
}

// checkText takes block and serial out again, and compares byte for byte.
func checkText(t *testing.T, d *document, got string) {
	t.Helper()
	head, tail := d.text[:d.block.start], d.text[d.block.end:]
	from := strings.LastIndex(got, beginLine)
	to := strings.LastIndex(got, endLine) + len(endLine)
	if from < 0 || !strings.HasSuffix(got, tail) && len(tail) == 0 {
		t.Fatalf("no block in %q", got)
	}
	at, err := findSerial(d.text, d.outline)
	if err != nil {
		t.Fatal(err)
	}
	rest := got[:from] + "\x00" + got[to:]
	if head != "" && !strings.HasSuffix(head, "\n") {
		head += "\n"
	}
	want := head + "\x00" + tail
	start := at.start
	if at.start > d.block.start {
		start = at.start - d.block.end + len(head) + 1
	}
	before, after := want[:start], want[start+at.end-at.start:]
	if !strings.HasPrefix(rest, before) || !strings.HasSuffix(rest, after) || strings.Trim(rest[len(before):len(rest)-len(after)], "0123456789") != "" {
		t.Fatalf("other text changed:\n%s", cmp.Diff(want, rest))
	}
}

// checkRecords compares what the texts mean, as sets.
func checkRecords(t *testing.T, d *document, got string, own []dns.RR, value string) {
	t.Helper()
	p := parser{origin: "example.com.", path: "/nowhere/zone"}
	all, soa, err := p.parseZone(got)
	if err != nil {
		t.Fatalf("%v in %q", err, got)
	}
	if int32(soa.Serial-d.soa.Serial) <= 0 {
		t.Fatalf("serial %d after %d", soa.Serial, d.soa.Serial)
	}
	soa.Serial = d.soa.Serial
	have, want := texts(all), texts(slices.Concat(d.foreign(), own))
	slices.Sort(have)
	slices.Sort(want)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Fatal(diff)
	}
	if !slices.ContainsFunc(all, func(rr dns.RR) bool { return toLibdns(rr, p.origin).Data == value }) {
		t.Fatalf("the value %q is not read back", value)
	}
}
