package zonefile

import (
	"slices"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/providers/zonefile/master"

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
	for _, file := range corpus(f) {
		f.Add(file.text, "v=DKIM1; p=")
	}
	f.Add(soaLine+"a TXT x\n"+beginLine+"b 60 TXT \"y\"\n"+endLine+"c TXT z\n", "")
	f.Add(soaLine+"$GENERATE 1-3 h$ A 192.0.2.$\n$ORIGIN x\n$TTL 1W\n\\@ TXT \\032\\\"\n", strings.Repeat("x", 600))
	f.Add("@ 0 SOA a b 4294967295 1 1 1 1;\n* TXT a;\"\n", "é")
	f.Fuzz(func(t *testing.T, text, value string) {
		// Included files and long generated lists only slow the search down.
		if upper := strings.ToUpper(text); strings.Contains(upper, "INCLUDE") ||
			strings.Count(upper, "GENERATE") > strings.Count(text, "$GENERATE 1-3 ") || len(value) > 2000 {
			return
		}
		d, err := parseDocument("example.com.", "/nowhere/zone", master.Content{Text: text})
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
			if d.block.Start == len(text) && !strings.Contains(err.Error(), "SOA") {
				t.Fatalf("nothing stands in the way, but: %v", err)
			}
			return
		}
		checkText(t, d, got)
		checkRecords(t, d, got, own, value)
	})
}

// checkText takes block and serials out of both texts, and compares byte for byte.
func checkText(t *testing.T, d *document, got string) {
	t.Helper()
	changed, err := parseDocument(d.origin, d.path, master.Content{Text: got})
	if err != nil {
		t.Errorf("%v in %q", err, got)
		return
	}
	before, after := masked(d), masked(changed)
	if before != after && strings.Replace(before, "\x00", "\n\x00", 1) != after {
		t.Errorf("other text changed:\n%s", cmp.Diff(before, after))
	}
	if int32(changed.soa.Serial-d.soa.Serial) <= 0 {
		t.Errorf("serial %d after %d", changed.soa.Serial, d.soa.Serial)
	}
}

// masked returns the text with marks in place of the block and of each digit of the serials.
func masked(d *document) string {
	text := d.text[:d.block.Start] + "\x00" + d.text[d.block.End:]
	for _, spans := range slices.Backward(d.serials) {
		for _, at := range slices.Backward(spans) {
			shift := 0
			if at.Start >= d.block.End && d.block.Start < len(d.text) {
				shift = 1 - (d.block.End - d.block.Start)
			}
			text = text[:at.Start+shift] + "\x01" + text[at.End+shift:]
		}
	}
	return text
}

// checkRecords compares what the texts mean.
func checkRecords(t *testing.T, d *document, got string, own []dns.RR, value string) {
	t.Helper()
	changed, err := parseDocument(d.origin, d.path, master.Content{Text: got})
	if err != nil {
		t.Fatalf("%v in %q", err, got)
	}
	if len(changed.foreign) != len(d.foreign) {
		t.Fatalf("%d records of others, want %d", len(changed.foreign), len(d.foreign))
	}
	for i := range d.foreign {
		if a, b := changed.foreign[i], d.foreign[i]; a.Kind != dns.TypeSOA && !a.Same(&b) {
			t.Fatalf("%+v became %+v", b, a)
		}
	}
	have, want := texts(changed.own), texts(own)
	slices.Sort(have)
	slices.Sort(want)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Fatal(diff)
	}
	if !slices.ContainsFunc(changed.own, func(rr dns.RR) bool { return toLibdns(rr, d.origin).Data == value }) {
		t.Fatalf("the value %q is not read back", value)
	}
}

// Whatever the text: reading it ends, and its entries and comments lie in it, in their order,
// without touching each other.
func FuzzScan(f *testing.F) {
	for _, text := range layouts {
		f.Add(text)
	}
	for _, file := range corpus(f) {
		f.Add(file.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		o, err := master.Scan(text)
		if err != nil {
			return
		}
		at := 0
		for _, e := range o.Entries {
			if len(e.Tokens) == 0 {
				t.Fatal("an entry without words")
			}
			for _, s := range e.Tokens {
				if s.Start < at || s.End <= s.Start || s.End > len(text) || strings.ContainsAny(text[at:s.Start], `"`) &&
					!strings.Contains(text[at:s.Start], ";") {
					t.Fatalf("word %+v after %d of %q", s, at, text)
				}
				at = s.End
			}
		}
		if upper := strings.ToUpper(text); !strings.Contains(upper, "INCLUDE") && !strings.Contains(upper, "GENERATE") {
			if r, _, err := master.Read("example.com.", "/nowhere/zone", master.Content{Text: text}); err == nil {
				newZone(r)
			}
		}
	})
}
