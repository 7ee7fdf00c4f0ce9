package dkim

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const (
	// The key of RFC 6376 appendix C.
	rfc6376P = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDwIRP/UC3SBsEmGqZ9ZJW3/DkMoGeLnQg1fWn7/zYt" +
		"IxN2SnFCjxOCKG9v3b4jYfcTNh5ijSsq631uBItLa7od+v/RtdC2UzJ1lWT947qR+Rcac2gbto/NMqJ0fzfV" +
		"jH4OuKhitdY9tf6mcwGjaNBcWToIMmPSPDdQPNUYckcQ2QIDAQAB"
	// The keys of RFC 8463 appendix A.2.
	rfc8463Ed = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
	rfc8463P  = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2" +
		"jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvH" +
		"O9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
)

func TestParseRecord(t *testing.T) {
	rsa1024 := func(r Record) Record { r.Key = key(t, rfc6376P); r.KeyType = "rsa"; return r }
	tests := []struct {
		name, txt string
		want      Record
		canonical string // "" for the same as txt
	}{
		// The standards' own.
		{"RFC 6376 appendix C", "v=DKIM1; p=" + rfc6376P, rsa1024(Record{}), "v=DKIM1; k=rsa; p=" + rfc6376P},
		{"RFC 8463 ed25519", "v=DKIM1; k=ed25519; p=" + rfc8463Ed, Record{KeyType: "ed25519", Key: edKey(t, rfc8463Ed)}, ""},
		{"RFC 8463 rsa", "v=DKIM1; k=rsa; p=" + rfc8463P, Record{KeyType: "rsa", Key: key(t, rfc8463P)}, ""},

		// As found in the wild.
		{"bare p", "p=" + rfc6376P, rsa1024(Record{}), "v=DKIM1; k=rsa; p=" + rfc6376P},
		{"no v, k first", "k=rsa; t=s; p=" + rfc6376P, rsa1024(Record{Flags: []string{"s"}}),
			"v=DKIM1; k=rsa; t=s; p=" + rfc6376P},
		{"no blanks, final semicolon", "v=DKIM1;k=rsa;p=" + rfc6376P + ";", rsa1024(Record{}),
			"v=DKIM1; k=rsa; p=" + rfc6376P},
		{"final semicolon and blank", "v=DKIM1; p=" + rfc6376P + " ; ", rsa1024(Record{}), "v=DKIM1; k=rsa; p=" + rfc6376P},
		{"blanks round everything", " v = DKIM1 ;\tk\t=\trsa ; p = " + rfc6376P, rsa1024(Record{}),
			"v=DKIM1; k=rsa; p=" + rfc6376P},
		{"folding and blanks inside p", "v=DKIM1;\r\n\tp=" + rfc6376P[:64] + "\r\n\t" + rfc6376P[64:130] + " " +
			rfc6376P[130:], rsa1024(Record{}), "v=DKIM1; k=rsa; p=" + rfc6376P},
		{"several strings joined", strings.Join([]string{"v=DKIM1; h=sha256; k=rsa; ", "p=" + rfc6376P[:90], rfc6376P[90:]},
			""), rsa1024(Record{Hashes: []string{"sha256"}}), "v=DKIM1; k=rsa; h=sha256; p=" + rfc6376P},
		{"opendkim-genkey's note", `v=DKIM1; n="a note"; h=sha256; k=rsa; p=` + rfc6376P,
			rsa1024(Record{Hashes: []string{"sha256"}, Notes: `"a note"`}),
			"v=DKIM1; k=rsa; h=sha256; n==22a=20note=22; p=" + rfc6376P},
		{"unknown tags, g of RFC 4871", "v=DKIM1; g=*; x_9=a=b; p=" + rfc6376P, rsa1024(Record{}),
			"v=DKIM1; k=rsa; p=" + rfc6376P},
		{"unknown words in lists", "v=DKIM1; h=sha1:sha256:sha512; s=tlsrpt:email; t=y:x; p=" + rfc6376P,
			rsa1024(Record{Hashes: []string{"sha1", "sha256", "sha512"}, Services: []string{"tlsrpt", "email"},
				Flags: []string{"y", "x"}}),
			"v=DKIM1; k=rsa; h=sha1:sha256:sha512; s=tlsrpt:email; t=y:x; p=" + rfc6376P},
		{"blanks in lists", "h= sha256 : sha1 ; s = * ; t= y : s ; p=" + rfc6376P,
			rsa1024(Record{Hashes: []string{"sha256", "sha1"}, Services: []string{"*"}, Flags: []string{"y", "s"}}),
			"v=DKIM1; k=rsa; h=sha256:sha1; s=*; t=y:s; p=" + rfc6376P},
		{"empty t", "v=DKIM1; t=; p=" + rfc6376P, rsa1024(Record{}), "v=DKIM1; k=rsa; p=" + rfc6376P},
		{"revoked", "v=DKIM1; k=rsa; p=", Record{KeyType: "rsa"}, ""},
		{"revoked, blank p", "v=DKIM1; k=ed25519; p= ;", Record{KeyType: "ed25519"}, "v=DKIM1; k=ed25519; p="},
		{"revoked, unknown type", "v=DKIM1; k=dsa; p=", Record{KeyType: "dsa"}, ""},
		{"note with escapes, folded", "n=a=3Bb=\r\n =zz=;p=", Record{KeyType: "rsa", Notes: "a;b =zz="},
			"v=DKIM1; k=rsa; n=a=3Bb=20=3Dzz=3D; p="},
		{"upper case tags are other tags", "P=x; K=y; p=", Record{KeyType: "rsa"}, "v=DKIM1; k=rsa; p="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseRecord(tt.txt)
			if err != nil {
				t.Fatal(err)
			}
			// Compared field by field: Equal overlooks much.
			if d := cmp.Diff(tt.want, got, cmp.Transformer("fields", fields)); d != "" {
				t.Errorf("ParseRecord: -want +got\n%s", d)
			}
			if tt.canonical == "" {
				tt.canonical = tt.txt
			}
			if got := got.String(); got != tt.canonical {
				t.Errorf("String:\n got %s\nwant %s", got, tt.canonical)
			}
		})
	}
}

// fields is a Record without its methods, so that cmp looks at every field.
func fields(r Record) any {
	type bare Record
	return bare(r)
}

func TestParseRecordRefuses(t *testing.T) {
	other, err := x509.MarshalPKIXPublicKey(ecdsaKey(t))
	if err != nil {
		t.Fatal(err)
	}
	pkcs1 := base64.StdEncoding.EncodeToString(x509.MarshalPKCS1PublicKey(key(t, rfc6376P).Key().(*rsa.PublicKey)))
	edSPKI := base64.StdEncoding.EncodeToString([]byte(edKey(t, rfc8463Ed).der))
	tests := []struct{ name, txt, want string }{
		{"nothing", "", "no tags"},
		{"blanks", " \r\n\t", "no tags"},
		{"semicolon", ";", "empty tag"},
		{"empty tag", "v=DKIM1;; p=" + rfc6376P, "empty tag"},
		{"other TXT", "v=spf1 -all", `v="spf1 -all"`},
		{"text", "hello world", `"hello world" is not tag=value`},
		{"bytes", "\x00\xff\xfe=1", "is not tag=value"},
		{"tag name with a blank", "p p=1", "is not tag=value"},
		{"tag name begins with a digit", "1p=1", "is not tag=value"},
		{"no p", "v=DKIM1; k=rsa", "no p= tag"},
		{"v in lower case", "v=dkim1; p=" + rfc6376P, "want v=DKIM1"},
		{"v=DKIM2", "v=DKIM2; p=" + rfc6376P, "want v=DKIM1"},
		{"empty v", "v=; p=" + rfc6376P, "want v=DKIM1"},
		{"v not first", "k=rsa; v=DKIM1; p=" + rfc6376P, "must be the first tag"},
		{"two p", "v=DKIM1; p=" + rfc6376P + "; p=", `"p" stands twice`},
		{"two unknown tags", "v=DKIM1; x=1; x=1; p=" + rfc6376P, `"x" stands twice`},
		{"k unknown", "v=DKIM1; k=dsa; p=" + rfc6376P, `k="dsa" is not a key type`},
		{"k in upper case", "v=DKIM1; k=RSA; p=" + rfc6376P, `k="RSA" is not a key type`},
		{"k empty", "v=DKIM1; k=; p=" + rfc6376P, "names no key type"},
		{"h without sha256", "v=DKIM1; h=sha1; p=" + rfc6376P, "leaves out sha256"},
		{"h empty", "v=DKIM1; h=; p=" + rfc6376P, "leaves out sha256"},
		{"s without email", "v=DKIM1; s=tlsrpt; p=" + rfc6376P, "does not allow email"},
		{"s empty", "v=DKIM1; s=; p=" + rfc6376P, "does not allow email"},
		{"p not base64", "v=DKIM1; p=MIG!", "not base64"},
		{"p with a seam of quotes", `v=DKIM1; p=` + rfc6376P[:100] + `" "` + rfc6376P[100:], "not base64"},
		{"p without padding", "v=DKIM1; k=ed25519; p=" + strings.TrimSuffix(rfc8463Ed, "="), "not base64"},
		{"p garbage", "v=DKIM1; p=AAAA", "not a SubjectPublicKeyInfo"},
		{"p cut short", "v=DKIM1; p=" + rfc6376P[:200], "not a SubjectPublicKeyInfo"},
		{"PKCS#1", "v=DKIM1; p=" + pkcs1, "PKCS#1"},
		{"rsa, ecdsa inside", "v=DKIM1; p=" + base64.StdEncoding.EncodeToString(other), "*ecdsa.PublicKey"},
		{"rsa, ed25519 inside", "v=DKIM1; p=" + edSPKI, "ed25519.PublicKey"},
		{"ed25519, rsa inside", "v=DKIM1; k=ed25519; p=" + rfc6376P, "bare 32 octets"},
		{"ed25519 as SubjectPublicKeyInfo", "v=DKIM1; k=ed25519; p=" + edSPKI, "bare 32 octets"},
		{"ed25519 of 31 octets", "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(make([]byte, 31)),
			"holds 31 octets"},
		{"1023 bits", "v=DKIM1; p=" + rsaOfBits(t, 1023), "RSA key has 1023 bits"},
		{"512 bits", "v=DKIM1; p=" + rsaOfBits(t, 512), "RSA key has 512 bits"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseRecord(tt.txt)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ParseRecord(%q) = %v, want an error with %q", tt.txt, err, tt.want)
			}
			if d := cmp.Diff(Record{}, got, cmp.Transformer("fields", fields)); d != "" {
				t.Errorf("a record beside the error:\n%s", d)
			}
		})
	}
	if _, err := ParseRecord("v=DKIM1; p=" + rsaOfBits(t, 1024)); err != nil {
		t.Errorf("1024 bits: %v", err)
	}
}

// Whatever DNS says can't flood a log, drive a terminal or forge a line.
func TestParseRecordErrorsAreTame(t *testing.T) {
	nasty := "\x1b[31m\nlevel=ERROR " + strings.Repeat("x", 1<<20)
	for _, txt := range []string{nasty, "v=" + nasty, "k=" + nasty + ";p=AAAA", "h=" + nasty + ";p=", "s=" + nasty +
		";p=", "p=" + nasty,
		strings.Repeat("x", 1<<20) + "=1;" + strings.Repeat("x", 1<<20) + "=1"} {
		_, err := ParseRecord(txt)
		if err == nil {
			t.Fatalf("%.40q was accepted", txt)
		}
		if s := err.Error(); len(s) > longestError || strings.ContainsAny(s, "\x1b\n") {
			t.Errorf("%.40q: error %.400q", txt, s)
		}
	}
}

func TestParseRecordHugeInput(t *testing.T) {
	var many strings.Builder
	for i := range 100_000 {
		many.WriteString("a" + big.NewInt(int64(i)).Text(36) + "=1;")
	}
	list := strings.TrimSuffix(strings.Repeat("sha256:", 1<<18), ":")
	for name, txt := range map[string]string{
		"semicolons": strings.Repeat(";", 1<<20),
		"blanks":     strings.Repeat(" ", 1<<20),
		"letters":    strings.Repeat("a", 1<<20),
		"tags":       many.String(),
		"p":          "p=" + strings.Repeat("A", 1<<20),
		"note":       "n=" + strings.Repeat("=", 1<<20) + ";p=",
		"lists":      "h=" + list + "; t=" + list + "; p=",
		"modulus":    "p=" + rsaOfBits(t, 1<<21),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			r, err := ParseRecord(txt)
			if err == nil {
				r.Equal(r)
				_ = r.String()
			}
			if d := time.Since(start); d > 10*time.Second {
				t.Errorf("%d octets took %v", len(txt), d)
			}
		})
	}
}

func TestRecordEqual(t *testing.T) {
	base := "v=DKIM1; k=rsa; h=sha1:sha256; t=y:s; p=" + rfc6376P
	tests := []struct {
		name, a, b string
		want       bool
	}{
		{"itself", base, base, true},
		{"tags and lists in another order", base, "t=s:y:y; p=" + rfc6376P + "; h=sha256:sha1; n=hello", true},
		{"k left out", "k=rsa; p=" + rfc6376P, "p=" + rfc6376P, true},
		{"s=* is the default", "s=*; p=" + rfc6376P, "p=" + rfc6376P, true},
		{"s=*:email too", "s=email:*; p=" + rfc6376P, "s=*; p=" + rfc6376P, true},
		{"s=email is narrower", "s=email; p=" + rfc6376P, "p=" + rfc6376P, false},
		{"h is narrower", "h=sha256; p=" + rfc6376P, "p=" + rfc6376P, false},
		{"testing", "t=y; p=" + rfc6376P, "p=" + rfc6376P, false},
		{"another key", "p=" + rfc6376P, "p=" + rfc8463P, false},
		{"another type", "k=ed25519; p=", "k=rsa; p=", false},
		{"revoked", "p=" + rfc6376P, "p=", false},
	}
	for _, tt := range tests {
		a, b := parse(t, tt.a), parse(t, tt.b)
		if a.Equal(b) != tt.want || b.Equal(a) != tt.want {
			t.Errorf("%s: Equal = %v, %v; want %v", tt.name, a.Equal(b), b.Equal(a), tt.want)
		}
	}
}

func TestRecordFlags(t *testing.T) {
	if r := parse(t, "t=s:y; p="+rfc6376P); !r.Testing() || r.Revoked() {
		t.Errorf("t=s:y: Testing %v, Revoked %v", r.Testing(), r.Revoked())
	}
	if r := parse(t, "t=s; p="); r.Testing() || !r.Revoked() {
		t.Errorf("t=s and no p: Testing %v, Revoked %v", r.Testing(), r.Revoked())
	}
	r := NewRecord(edKey(t, rfc8463Ed), "")
	if got, want := r.Revoke().String(), "v=DKIM1; k=ed25519; p="; got != want {
		t.Errorf("Revoke: %s, want %s", got, want)
	}
	if r.Revoked() {
		t.Error("Revoke changed its receiver")
	}
	if got, want := (Record{}).String(), "v=DKIM1; k=rsa; p="; got != want {
		t.Errorf("zero record: %s, want %s", got, want)
	}
}

func TestNotesAreASCII(t *testing.T) {
	note := "Bücher; \"quoted\\\" | 100 % = \t\r\n\x00 \U0001f511"
	txt := NewRecord(edKey(t, rfc8463Ed), note).String()
	for _, c := range []byte(txt) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			t.Fatalf("%q holds %q", txt, c)
		}
	}
	if !strings.Contains(txt, "n=B=C3=BCcher=3B=20") {
		t.Errorf("note is not quoted-printable: %s", txt)
	}
	if got := parse(t, txt).Notes; got != note {
		t.Errorf("note came back as %q, want %q", got, note)
	}
}

func TestRecordRoundTrip(t *testing.T) {
	keys := []PublicKey{{}, key(t, rfc6376P), key(t, rfc8463P), edKey(t, rfc8463Ed)}
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.StringMatching(`[a-z][a-z0-9-]{0,9}[a-z0-9]`)
		list := func(label string, always ...string) []string {
			l := rapid.SliceOfN(word, 0, 3).Draw(t, label)
			if len(l) > 0 {
				l = append(l, always...)
			}
			return l
		}
		r := NewRecord(rapid.SampledFrom(keys).Draw(t, "key"), rapid.OneOf(
			rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "note"))
		r.Hashes, r.Services, r.Flags = list("h", "sha256"), list("s", "email"), list("t")
		txt := r.String()

		got, err := ParseRecord(strings.Join(Strings(txt), ""))
		if err != nil {
			t.Fatalf("%s: %v", txt, err)
		}
		if !got.Equal(r) || got.Notes != r.Notes {
			t.Fatalf("%s came back as %s", txt, got)
		}
		if got.String() != txt {
			t.Fatalf("%s formats as %s", txt, got)
		}
		// The round trip survives folding at any semicolon.
		folded, err := ParseRecord(strings.ReplaceAll(txt, "; ", " ;\r\n\t"))
		if err != nil || !folded.Equal(r) || folded.Notes != r.Notes {
			t.Fatalf("%s folded: %v, %v", txt, folded, err)
		}
	})
}

// A record that parses formats to one that parses equal, whatever was read.
func FuzzParseRecord(f *testing.F) {
	for _, s := range []string{
		"v=DKIM1; p=" + rfc6376P, "v=DKIM1; k=ed25519; p=" + rfc8463Ed, "v=DKIM1; k=rsa; p=" + rfc8463P,
		"v=DKIM1; k=rsa; h=sha1:sha256; s=email:*; t=y:s; n=a=20note; p=" + rfc6376P + ";", "p=", "k=x;p=",
		"v=DKIM1;;p=", "n==;p= \r\n",
		"p =\t" + rfc6376P[:70] + "\r\n " + rfc6376P[70:], "h=;p=", "k=;p=", "p=AAAA", "v=DKIM1; p=" +
			rsaOfBits(f, 1024), ";", "",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, txt string) {
		r, err := ParseRecord(txt)
		if err != nil {
			if len(err.Error()) > longestError {
				t.Errorf("long error: %v", err)
			}
			return
		}
		out := r.String()
		again, err := ParseRecord(out)
		if err != nil {
			t.Fatalf("%q formats as %q: %v", txt, out, err)
		}
		if !again.Equal(r) || again.Notes != r.Notes || again.String() != out {
			t.Fatalf("%q formats as %q, which reads as %q", txt, out, again)
		}
	})
}

func TestStrings(t *testing.T) {
	for _, n := range []int{0, 1, 254, 255, 256, 410, 510, 511, 4096} {
		value := strings.Repeat("abcdefghij", n/10+1)[:n]
		parts := Strings(value)
		if strings.Join(parts, "") != value {
			t.Errorf("%d octets do not join back", n)
		}
		if want := max(1, (n+254)/255); len(parts) != want {
			t.Errorf("%d octets make %d strings, want %d", n, len(parts), want)
		}
		if slices.ContainsFunc(parts, func(s string) bool { return len(s) > 255 }) {
			t.Errorf("%d octets: a string is longer than 255", n)
		}
	}
}

func TestRecordSizes(t *testing.T) {
	for _, tt := range []struct {
		alg                   Algorithm
		bits, octets, strings int
	}{{RSA2048, 2048, 410, 2}, {RSA4096, 4096, 754, 3}, {Ed25519, 256, 66, 1}} {
		k := generate(t, tt.alg)
		txt := NewRecord(k.Public(), "").String()
		if k.Public().Bits() != tt.bits || len(txt) != tt.octets || len(Strings(txt)) != tt.strings {
			t.Errorf("%s: %d bits, %d octets in %d strings; want %d, %d in %d",
				tt.alg, k.Public().Bits(), len(txt), len(Strings(txt)), tt.bits, tt.octets, tt.strings)
		}
		if r := parse(t, txt); r.Key != k.Public() {
			t.Errorf("%s: the record holds %v, want %v", tt.alg, r.Key, k.Public())
		}
	}
}

// TestRecordAlgorithm: the length of a key tells the same as the key.
func TestRecordAlgorithm(t *testing.T) {
	for _, kind := range []Algorithm{RSA2048, RSA4096, Ed25519} {
		key, err := Generate(kind)
		if err != nil {
			t.Fatal(err)
		}
		for _, note := range []string{"", "mail; p=x"} {
			record := NewRecord(key.Public(), note).String()
			if got := RecordAlgorithm(record); got != kind {
				t.Errorf("%s with note %q is reported as %q: %s", kind, note, got, record)
			}
			if got := RecordAlgorithm(strings.ReplaceAll(record, "; ", ";")); got != kind {
				t.Errorf("%s written otherwise is reported as %q", kind, got)
			}
		}
	}
	for _, record := range []string{"", "v=DKIM1; p=", "v=DKIM1; k=rsa; p=", "v=spf1 -all"} {
		if got := RecordAlgorithm(record); got != "" {
			t.Errorf("%q is reported as %q", record, got)
		}
	}
}
