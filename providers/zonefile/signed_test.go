package zonefile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/libdns/libdns"

	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// A file that a signer has made is refused by name, wherever the signer's records stand
// and however they are written: a change of it would make the key record and the SOA bogus for
// validating resolvers (I2). An unsigned file may hold the keys for signing.
func TestSignedFilesAreRefused(t *testing.T) {
	const rrsig = "SOA 13 2 3600 20300101000000 20200101000000 12345 example.com. AAAA"
	for name, tc := range map[string]struct {
		lines string
		want  string // "": not refused
	}{
		"RRSIG at the apex": {"@ RRSIG " + rrsig, "RRSIG record of example.com"},
		"RRSIG elsewhere": {"www RRSIG A 13 3 3600 20300101000000 20200101000000 12345 example.com. AAAA",
			"RRSIG record of www.example.com"},
		"RRSIG by number": {"@ TYPE46 \\# 40 " + strings.Repeat("00", 40), "RRSIG record"},
		"NSEC":            {"@ NSEC ns A NS SOA", "NSEC record of example.com"},
		"NSEC3": {"0p9mhaveqvm6t7vbl5lop2u3t2rp3tom NSEC3 1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr A",
			"NSEC3 record"},
		"NSEC3PARAM":         {"@ NSEC3PARAM 1 0 0 -", "NSEC3PARAM record"},
		"ZONEMD":             {"@ ZONEMD 41 1 1 " + strings.Repeat("00", 48), "ZONEMD record"},
		"of another program": {"@ 0 IN RRSIG ( " + strings.ReplaceAll(rrsig, " ", "\n\t") + " )", "RRSIG record"},
		"included":           {"$INCLUDE signatures.inc", "included file"},
		"unreadable":         {"@ RRSIG nonsense\nwww FOO x", "RRSIG record"},
		"keys only":          {"@ DNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==\n@ CDS 0 0 0 00\n@ CDNSKEY 0 3 0 AA==", ""},
		"a signed child":     {"child NS ns\nchild DS 1 13 2 " + strings.Repeat("00", 32), ""},
	} {
		t.Run(name, func(t *testing.T) {
			text := zoneText[:strings.Index(zoneText, "child\tNS")] + tc.lines + "\n"
			p, path := newZone(t, text)
			if err := os.WriteFile(filepath.Join(filepath.Dir(path), "signatures.inc"), []byte("@ RRSIG "+rrsig+"\n"),
				0o600); err != nil {
				t.Fatal(err)
			}
			_, err := p.SetRecords(t.Context(), "example.com", []libdns.Record{txt("s1._domainkey", "v=DKIM1; p=")})
			_, look := p.GetRecords(t.Context(), "example.com")
			_, owns := p.Owns("example.com", "s1._domainkey.example.com")
			if tc.want == "" {
				if err != nil || look != nil || owns != nil {
					t.Errorf("refused: %v, %v, %v", err, look, owns)
				}
				return
			}
			for _, err := range []error{err, look, owns} {
				faulttest.Shown(t, err)
				if fault.KindOf(err) != fault.Permanent || !strings.Contains(err.Error(), "signed") ||
					!strings.Contains(err.Error(), tc.want) || !strings.Contains(fault.HintOf(err), "unsigned file") {
					t.Errorf("got %v (hint %s)", err, fault.HintOf(err))
				}
			}
			if read(t, path) != text {
				t.Error("the file changed")
			}
		})
	}
}
