package zonefile

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/providers/zonefile/master"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

var testDay = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const testTXT = "s1._domainkey.example.com.\t3600\tIN\tTXT\t\"v=DKIM1; p=\""

func mustRR(t testing.TB, text string) dns.RR {
	t.Helper()
	rr, err := dns.NewRR(text)
	if err != nil {
		t.Fatal(err)
	}
	return rr
}

// layouts are SOA records as people write them. § stands before the serial, which is 41.
var layouts = map[string]string{
	"one line":           "$TTL 3600\nexample.com. IN SOA ns.example.com. hm.example.com. §41 3600 600 86400 60\n",
	"parentheses":        "$TTL 1h\n@ IN SOA ns hm (\n\t\t§41 ; serial\n\t\t1h 10m 1d 1m )\n",
	"serial on 1st line": "@ 3600 IN SOA ns hm ( §41\n 3600 600 86400 60 )\n",
	"opening alone":      "@ 3600 SOA (\nns\n\thm ; 12345 41 ( \"\n\n  §41\n3600 600 86400\n60)\n",
	"glued":              "@ 3600 SOA ns hm(§41)3600 600 86400 60\n",
	"zero padded":        "@ 3600 SOA ns hm §0000000041 3600 600 86400 60\n",
	"class before TTL":   "@ IN 1W2D SOA ns hm §41 1H 10M 1D 1M\n",
	"no TTL at all":      "@ SOA ns hm §41 3600 600 86400 60\n@ NS ns.example.net.\n",
	"names that mislead": "$ORIGIN com.\n$TTL 60\nexample in soa soa 41 §41 3600 600 86400 60\n",
	"owner left out":     "$TTL 60\n@ NS ns.example.net.\n\t\tSOA ns hm §41 3600 600 86400 60\n",
	"many parentheses":   "$TTL 60\n@ (IN) (SOA (ns) hm) (§41) 3600 600 86400 60\n",
	"not the first": "$TTL 60\nsoa TXT \"SOA a b 41\" ; " +
		"@ SOA x y 41\n@ NS ns.example.net.\n@ SOA ns hm §41 3600 600 86400 60\nwww A 192.0.2.1\n",
	"quotes and escapes": "$TTL 60\nt\\;x TXT \"; (\" a\\\"b \"\\\"(\"\n@ SOA ns h\\.m §41 3600 600 86400 60\n",
	"carriage returns":   "$TTL 60\r\n@ SOA ns hm (\r\n §41 ; serial\r\n 3600 600 86400 60 )\r\n",
	"comment at the end": "$TTL 60\n@ SOA ns hm §41 3600 600 86400 60 ; §\n; the end",
	"carriage returns 2": "$TTL 60\r@ SOA ns hm §41 3600 600 86400 60\rwww A 192.0.2.1\r",
	"owner in quotes":    "$TTL 60\n\"@\" SOA ns hm §41 3600 600 86400 60\n",
	"lower case":         "$TTL 60\n@ in soa ns hm §41 3600 600 86400 60\n",
}

// The serial is found in every layout, and every other byte stays (I6).
func TestRewriteKeepsTheText(t *testing.T) {
	for name, marked := range layouts {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(marked, "§", "", 1)
			d, err := parseDocument("example.com.", "/nowhere/zone", master.Content{Text: text})
			if err != nil {
				t.Fatal(err)
			}
			got, err := d.rewrite([]dns.RR{mustRR(t, testTXT)}, testDay)
			if err != nil {
				t.Fatal(err)
			}
			at := strings.Index(marked, "§")
			digits := len("41")
			if strings.HasPrefix(marked[at+len("§"):], "0000000041") {
				digits = len("0000000041")
			}
			want := text[:at] + "42" + text[at+digits:]
			if !strings.HasSuffix(want, "\n") {
				want += "\n"
			}
			want += beginLine + testTXT + "\n" + endLine
			if got != want {
				t.Fatal(cmp.Diff(want, got))
			}

			again, err := parseDocument("example.com.", "/nowhere/zone", master.Content{Text: got})
			if err != nil {
				t.Fatal(err)
			}
			emptied, err := again.rewrite(nil, testDay)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Replace(want[:strings.Index(want, beginLine)], "42", "43", 1); emptied != want {
				t.Fatal(cmp.Diff(want, emptied))
			}
		})
	}
}

// The serial of an SOA record in the form of RFC 3597 is found too, wherever its digits
// stand, and that of each copy of a record that "dig axfr" prints twice.
func TestRewriteOtherSerials(t *testing.T) {
	for before, after := range map[string]string{
		"@ TYPE6 \\# 22 00 00 00000029 00000001 00000001 00000001 00000001\n":         "@ TYPE6 \\# 22 00 00 0000002a 00000001 00000001 00000001 00000001\n",
		"@ SOA \\# 22 ( 00000000 ; 41\n 002 9\n000000010000000100000001 00000001 )\n": "@ SOA \\# 22 ( 00000000 ; 41\n 002 a\n000000010000000100000001 00000001 )\n",
		"@ SOA ns hm \"41\" 1 1 1 1\n":                                                "@ SOA ns hm \"42\" 1 1 1 1\n",
		"@ SOA ns hm 41 1 1 1 1\n@ NS ns\nexample.com. " +
			"SOA NS HM (\n0041 1 1 1 1)\nw A 1.1.1.1\n": "@ SOA ns hm 42 1 1 1 1\n@ NS ns\nexample.com. " +
			"SOA NS HM (\n42 1 1 1 1)\nw A 1.1.1.1\n",
	} {
		d, err := parseDocument("example.com.", "/nowhere/zone", master.Content{Text: "$TTL 60\n" + before})
		if err != nil {
			t.Errorf("%s: %v", before, err)
			continue
		}
		got, err := d.rewrite([]dns.RR{mustRR(t, testTXT)}, testDay)
		if want := "$TTL 60\n" + after + beginLine + testTXT + "\n" + endLine; err != nil || got != want {
			t.Errorf("error %v, %s", err, cmp.Diff(want, got))
		}
	}
	two := "$TTL 60\n@ SOA ns hm 41 1 1 1 1\n@ SOA ns hm 42 1 1 1 1\n"
	if _, err := parseDocument("example.com.", "/nowhere/zone", master.Content{Text: two}); err == nil ||
		!strings.Contains(err.Error(), "line 3 holds another one") {
		t.Errorf("two SOA records: %v", err)
	}
}

// BIND reads the same from the text before and after, but for ours and the serial.
func TestBINDReadsLayoutsAlike(t *testing.T) {
	dump := func(t *testing.T, text string) []string {
		path := filepath.Join(t.TempDir(), "zone")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("named-checkzone", "-q", "-i", "none", "-k", "ignore", "-D", "-o", path+".out",
			"example.com", path).CombinedOutput()
		if err != nil {
			t.Fatalf("named-checkzone (Debian: bind9-utils): %v %s\n%s", err, out, text)
		}
		b, err := os.ReadFile(path + ".out")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSpace(string(b)), "\n")
	}
	for name, marked := range layouts {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(marked, "§", "", 1)
			if !strings.Contains(text, "NS ns.") { // BIND wants one
				text += "\nexample.com. 60 NS ns.example.net.\n"
			}
			d, err := parseDocument("example.com.", "/nowhere/zone", master.Content{Text: text})
			if err != nil {
				t.Fatal(err)
			}
			changed, err := d.rewrite([]dns.RR{mustRR(t, testTXT)}, testDay)
			if err != nil {
				t.Fatal(err)
			}
			before, after := dump(t, text), dump(t, changed)
			before[0] = strings.Replace(before[0], " 41 ", " 42 ", 1)
			ours := func(line string) bool { return strings.HasPrefix(line, "s1._domainkey.example.com.") }
			if n := len(after); n != len(before)+1 || !slices.ContainsFunc(after, ours) {
				t.Errorf("%d records, want one more than %d", n, len(before))
			}
			if diff := cmp.Diff(before, slices.DeleteFunc(after, ours)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

const soaLine = "$TTL 60\n@ SOA ns hm 41 3600 600 86400 60\n"

// What can't be understood, or would change others' records, is an error (I6).
func TestRewriteRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"no SOA":            {"$TTL 60\n@ NS ns.example.net.\n", "no SOA record"},
		"two SOAs":          {soaLine + "sub SOA ns hm 1 1 1 1 1\n", "want one SOA record"},
		"SOA elsewhere":     {"$TTL 60\nsub SOA ns hm 41 3600 600 86400 60\n", "want one SOA record"},
		"syntax":            {soaLine + "www A not-an-address\n", "line 3: "},
		"no data":           {soaLine + "www TXT\n", "line 3: "},
		"no data, fixed":    {soaLine + beginLine + endLine + "www MX ; 10 mx", "line 5: "},
		"no data, no owner": {soaLine + beginLine + endLine + "TA\n", "line 5: "},
		"data of no length": {soaLine + "www A \\# 0\n", "no data"},
		"open parenthesis":  {soaLine + "www TXT ( \"a\"\n", "line 3: an opening parenthesis"},
		"open quote":        {soaLine + "www TXT \"a\n", "line 3: a quoted string"},
		"stray parenthesis": {soaLine + "www TXT ) \"a\"\n", "line 3: a closing parenthesis"},
		"stray backslash":   {soaLine + "www TXT a\\\n", "line 3: a backslash"},
		"begin without end": {soaLine + beginLine, "want one line"},
		"end without begin": {soaLine + endLine, "want one line"},
		"end before begin":  {soaLine + endLine + beginLine, "want one line"},
		"two blocks":        {soaLine + beginLine + endLine + beginLine + endLine, "want one line"},
		"SOA in the block": {"$TTL 60\n" + beginLine + "@ SOA ns hm 41 3600 600 86400 60\n" + endLine,
			"inside the marked block"},
		"later owner leans": {soaLine + "www A 192.0.2.1\n" + beginLine + "x 60 TXT \"x\"\n" + endLine + "\tTXT \"whose\"\n",
			"outside the marked block"},
		"later TTL leans": {"@ 60 SOA ns hm 41 1 1 1 1\n" + beginLine + "x 90 TXT \"x\"\n" + endLine + "www TXT \"ttl\"\n",
			"outside the marked block"},
		"later origin leans": {soaLine + beginLine + "$ORIGIN sub.example.com.\n" + endLine + "www TXT \"where\"\n",
			"outside the marked block"},
		"missing include": {soaLine + "$INCLUDE nothing-here\n", "nothing-here"},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := parseDocument("example.com.", "/nowhere/zone", master.Content{Text: tc.text})
			text := ""
			if err == nil {
				text, err = d.rewrite([]dns.RR{mustRR(t, testTXT)}, testDay)
			}
			if err == nil {
				t.Fatalf("want an error; got\n%s", text)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%q does not hold %q", err, tc.want)
			}
		})
	}
}

// The marks count at the beginning of a line and outside records only.
func TestMarksInOtherPlaces(t *testing.T) {
	text := soaLine + "a TXT ( \"x\"\n" + beginMark + "\n)\nb TXT \"" + endMark + "\" ; " + beginMark +
		"\n " + endMark + "\n"
	d, err := parseDocument("example.com.", "/nowhere/zone", master.Content{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	if d.block != (master.Span{Start: len(text), End: len(text)}) {
		t.Errorf("found a block: %q", d.block.Of(text))
	}
}

// A record that a person moved into the block is ours, however it is written.
func TestBlockInContext(t *testing.T) {
	text := soaLine + "$ORIGIN _domainkey.example.com.\n" + beginMark + "\ns1 TXT ( \"v=DKIM1; \"\n \"p=\" ) ; moved\n" +
		endMark + " until here\nlast TXT \"mine\"\n"
	d, err := parseDocument("example.com.", "/nowhere/zone", master.Content{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	if got := texts(d.own); !cmp.Equal(got, []string{"s1._domainkey.example.com.\t60\tIN\tTXT\t\"v=DKIM1; \" \"p=\""}) {
		t.Errorf("ours: %q", got)
	}
	got, err := d.rewrite([]dns.RR{mustRR(t, testTXT)}, testDay)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(soaLine, "41", "42", 1) + "$ORIGIN _domainkey.example.com.\n" + beginLine + testTXT + "\n" +
		endLine + "last TXT \"mine\"\n"
	if got != want {
		t.Error(cmp.Diff(want, got))
	}
}
