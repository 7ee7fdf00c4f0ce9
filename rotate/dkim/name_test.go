package dkim

import (
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

func label(n int) string { return strings.Repeat("a", n) }

func TestParseDomain(t *testing.T) {
	long := strings.TrimSuffix(strings.Repeat(label(62)+".", 4), ".") // 251 characters
	tests := []struct{ in, want string }{
		{"example.com", "example.com"},
		{"EXAMPLE.Com", "example.com"},
		{"example.com.", "example.com"},
		{"bücher.example", "xn--bcher-kva.example"},
		{"BÜCHER.Example.", "xn--bcher-kva.example"},
		{"bu\u0308cher.example", "xn--bcher-kva.example"}, // decomposed
		{"bücher。example。", "xn--bcher-kva.example"},      // ideographic full stops
		{"XN--BCHER-KVA.example", "xn--bcher-kva.example"},
		{"faß.de", "xn--fa-hia.de"},
		{"例え.テスト", "xn--r8jz45g.xn--zckzah"},
		{"\u212aelvin.example", "kelvin.example"},         // the Kelvin sign is a k in IDNA
		{"bü\u200bcher.example", "xn--bcher-kva.example"}, // what can't be seen is dropped (UTS 46)
		{"_dmarc.example.com", "_dmarc.example.com"},
		{"a-b.c1.example", "a-b.c1.example"},
		{"localhost", "localhost"},
		{label(63) + ".example", label(63) + ".example"},
		{long + ".b", long + ".b"},
	}
	for _, tt := range tests {
		if got, err := ParseDomain(tt.in); err != nil || got != tt.want {
			t.Errorf("ParseDomain(%q) = %q, %v; want %q", tt.in, got, err, tt.want)
		}
	}
	for _, in := range []string{
		"", ".", "..", "...", "../x", "..\\x", "a/b", "/etc", "a\\b", "a..b", ".a", "a.b..", "a\x00b", "a\nb", " a", "a ",
		"a b", "-", "-a.b", "--help", "a-.b", "a.-b",
		"a*b", "*.example.com", "a:b", "a%2fb", "~", "a@b", "$(id).example", "a;b", "a\"b", "a'b", "[::1]",
		"a\xffb", "bü/cher", "bü..cher", "ü\x00", "\uff0e\uff0e/x", "\uff0e\uff0e", "a\uff0fb.example", "\u2024\u2024\u2215x",
		"\u202eabc", "ü" + label(63),
		label(64) + ".example", long + ".bcd", label(1 << 20), strings.Repeat("a.", 1<<20), strings.Repeat("ü", 1<<20), "ü." +
			strings.Repeat("a.", 300),
	} {
		got, err := ParseDomain(in)
		if err == nil || got != "" {
			t.Errorf("ParseDomain(%.80q) = %q, %v; want an error", in, got, err)
		} else if s := err.Error(); len(s) > longestError || strings.ContainsAny(s, "\x00\n") || !utf8.ValidString(s) {
			t.Errorf("ParseDomain(%.80q): error %.500q", in, s)
		}
	}
}

func TestParseSelector(t *testing.T) {
	for in, want := range map[string]string{
		"s1": "s1", "S1": "s1", "2026-11": "2026-11", "mail.s1": "mail.s1", "Jan.2026.Dept": "jan.2026.dept", "k_1": "k_1",
		label(63): label(63),
	} {
		if got, err := ParseSelector(in); err != nil || got != want {
			t.Errorf("ParseSelector(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", ".", "..", "s1.", ".s1", "a..b", "../x", "a/b", "a\x00", "s 1", "s1\n", "-s", "s-", "sé", "\u212a1", "s\uff11",
		label(64), strings.Repeat("a.", 1<<19) + "a",
	} {
		if got, err := ParseSelector(in); err == nil || got != "" {
			t.Errorf("ParseSelector(%.80q) = %q, %v; want an error", in, got, err)
		} else if len(err.Error()) > longestError {
			t.Errorf("ParseSelector(%.80q): long error", in)
		}
	}
}

func TestName(t *testing.T) {
	if got := (Name{"example.com", "mail.s1"}).String(); got != "mail.s1._domainkey.example.com" {
		t.Error(got)
	}
	for _, n := range []Name{{"example.com", "s1"}, {"xn--bcher-kva.example", "mail.s1"}} {
		if err := n.Check(); err != nil {
			t.Errorf("%v: %v", n, err)
		}
	}
	long := strings.TrimSuffix(strings.Repeat(label(62)+".", 4), ".")
	for _, tt := range []struct {
		name Name
		want string
	}{
		{Name{}, "empty"},
		{Name{"example.com", ""}, "empty"},
		{Name{"Example.com", "s1"}, `write "example.com"`},
		{Name{"example.com.", "s1"}, `write "example.com"`},
		{Name{"bücher.example", "s1"}, `write "xn--bcher-kva.example"`},
		{Name{"example.com", "S1"}, `write "s1"`},
		{Name{"../../etc", "s1"}, "empty label"},
		{Name{"example.com", "../s1"}, "empty label"},
		{Name{"a/b", "s1"}, "holds '/'"},
		{Name{long, "s1"}, "longer than"},
	} {
		if err := tt.name.Check(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want an error with %q", tt.name, err, tt.want)
		}
	}
}

// What is accepted is in normal form, safe as a file name, and stays as it is.
func FuzzParseDomain(f *testing.F) {
	for _, s := range []string{"example.com", "Example.COM.", "bücher.example", "例え。テスト", "xn--bcher-kva.example", "../x",
		"a/b", "..", "a..b", "a\x00b",
		"\uff0e\uff0e\uff0fx", "\u212a", "faß.de", "\u0130.example", "_a-b.c", "ü\u200d.example", label(64),
		"xn--\x80", "a.xn--a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for what, parse := range map[string]func(string) (string, error){"domain": ParseDomain, "selector": ParseSelector} {
			got, err := parse(s)
			if err != nil {
				if got != "" || len(err.Error()) > longestError {
					t.Errorf("%s %q: %q beside the error %v", what, s, got, err)
				}
				continue
			}
			if strings.Trim(got, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != "" || strings.Contains(got, "..") ||
				got != strings.ToLower(got) ||
				got[0] == '.' || got[0] == '-' || got[len(got)-1] == '.' || len(got) > 253 || !filepath.IsLocal(got) ||
				filepath.Base(got) != got {
				t.Errorf("%s %q is accepted as %q", what, s, got)
			}
			if again, err := parse(got); err != nil || again != got {
				t.Errorf("%s %q becomes %q, which becomes %q, %v", what, s, got, again, err)
			}
		}
	})
}
