package block

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var flat = Format{Fields: 2}

func TestTable(t *testing.T) {
	block := func(lines string) string { return flat.FirstLine("") + lines + endLine }
	for name, test := range map[string]struct {
		in      string
		ours    map[string]string
		foreign string
		err     bool
	}{
		"empty":            {},
		"no block":         {in: "*@a.example x\n", foreign: "*@a.example x\n"},
		"no final newline": {in: block("k v\n") + "tail", ours: map[string]string{"k": "v"}, foreign: "tail"},
		"lines above move below": {in: "above\n" + block("k v\n") + "below\n", ours: map[string]string{"k": "v"},
			foreign: "above\nbelow\n"},
		"lines inside that we don't": {in: block("k v\n# note\nodd\n\nk2 v2 x\nj w\n"),
			ours: map[string]string{"k": "v", "j": "w"}, foreign: "# note\nodd\n\nk2 v2 x\n"},
		"first of two counts": {in: block("k v\nk w\n"), ours: map[string]string{"k": "v"}},
		"carriage returns": {in: strings.ReplaceAll(block("k v\n"), "\n", "\r\n") + "x\r\n",
			ours: map[string]string{"k": "v"}, foreign: "x\r\n"},
		"no end":     {in: flat.FirstLine("") + "k v\n", err: true},
		"no begin":   {in: "k v\n" + endLine, err: true},
		"two blocks": {in: block("") + block(""), err: true},
		"nested":     {in: flat.FirstLine("") + flat.FirstLine("") + endLine, err: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := flat.Parse([]byte(test.in))
			if (err != nil) != test.err {
				t.Fatalf("error is %v", err)
			}
			if test.err {
				return
			}
			if test.ours == nil {
				test.ours = map[string]string{}
			}
			if d := cmp.Diff(test.ours, got.Ours); d != "" {
				t.Errorf("our lines (-want +got):\n%s", d)
			}
			if string(got.Foreign) != test.foreign {
				t.Errorf("foreign lines: %q; want %q", got.Foreign, test.foreign)
			}
		})
	}
}

// FuzzTable guards I6: whatever a table holds, an edit keeps every byte outside
// of our block, is found again, comes first, and editing twice is editing once.
func FuzzTable(f *testing.F) {
	for _, seed := range []string{"", "*@a.example x", "# BEGIN dkimbot\na b\n# END dkimbot\n*@c d\r\n",
		"\x00\xff\n \n#END", flat.FirstLine("") + "k v\nnote\n" + endLine + endLine} {
		f.Add([]byte(seed), "*@new.example", "s1._domainkey.new.example")
	}
	f.Fuzz(func(t *testing.T, data []byte, key, value string) {
		before, err := flat.Parse(data)
		if err != nil {
			return
		}
		if len(before.Ours) == 0 && !bytes.Contains(data, []byte(Begin)) && !bytes.Equal(before.Foreign, data) {
			t.Fatalf("a table without a block is not kept: %q", before.Foreign)
		}
		if len(strings.Fields(key)) != 1 || strings.Fields(key)[0] != key || len(strings.Fields(value)) != 1 ||
			strings.Fields(value)[0] != value || strings.Contains(key+value, "#") {
			return // not a line that we write
		}
		before.Set(key, value)
		once := before.Bytes()
		if !bytes.HasSuffix(once, before.Foreign) || !bytes.HasPrefix(once, []byte(flat.FirstLine(""))) {
			t.Fatalf("%q does not begin with the block and end with %q", once, before.Foreign)
		}
		after, err := flat.Parse(once)
		if err != nil {
			t.Fatalf("what we wrote can't be read: %v\n%q", err, once)
		}
		if d := cmp.Diff(before, after, cmpopts.IgnoreFields(Table{}, "Numbers"),
			cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) })); d != "" {
			t.Fatalf("read again (-wrote +read):\n%s", d)
		}
		if twice := after.Bytes(); !bytes.Equal(once, twice) {
			t.Fatalf("twice: %q\nonce: %q", twice, once)
		}
		for k := range after.Ours {
			after.Set(k, "")
		}
		if !bytes.Equal(after.Bytes(), before.Foreign) {
			t.Fatalf("without our lines: %q; want %q", after.Bytes(), before.Foreign)
		}
	})
}
