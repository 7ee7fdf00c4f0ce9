package zonefile_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/libdns/libdns"

	"github.com/dkimbot/dkimbot/providers/zonefile"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

// I6: what stands outside the block is not touched, and what would never be
// served is not written. Nothing changes on any error.
func TestRefusals(t *testing.T) {
	type call func(p *zonefile.Provider, ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error)
	set, app, del := (*zonefile.Provider).SetRecords, (*zonefile.Provider).AppendRecords,
		(*zonefile.Provider).DeleteRecords
	for name, tc := range map[string]struct {
		call call
		rec  libdns.Record
		kind fault.Kind
		code string
		hint string
	}{
		"set foreign": {set, txt("old._domainkey", "v=DKIM1; p="), fault.Refused, "foreign-record", "BEGIN dkimbot"},
		"set foreign TTL": {set, libdns.TXT{Name: "@", TTL: time.Minute, Text: "hello world"}, fault.Refused,
			"foreign-record", "remove"},
		"set foreign part": {set, addr("www", "192.0.2.1"), fault.Refused, "foreign-record", ""},
		"delete foreign":   {del, libdns.RR{Name: "old._domainkey"}, fault.Refused, "foreign-record", ""},
		"at a CNAME":       {set, txt("alias", "x"), fault.Refused, "cname", "target"},
		"CNAME beside":     {set, libdns.CNAME{Name: "www", TTL: time.Hour, Target: "x."}, fault.Refused, "cname", ""},
		"below a cut":      {set, txt("s1._domainkey.child", "x"), fault.Refused, "zone-cut", "child zone"},
		"at a cut":         {app, txt("child", "x"), fault.Refused, "zone-cut", ""},
		"below a DNAME":    {set, txt("s1.old", "x"), fault.Refused, "dname", ""},
		"two TTLs": {app, libdns.RR{Name: "www", TTL: time.Minute, Type: "A", Data: "192.0.2.9"},
			fault.Refused, "ttl", ""},
		"SOA": {set, libdns.RR{Name: "@", TTL: time.Hour, Type: "SOA", Data: "a. b. 1 2 3 4 5"},
			fault.Permanent, "", ""},
		"outside the zone":  {set, txt("www.example.net.", "x"), fault.Permanent, "", ""},
		"empty name":        {set, txt("", "x"), fault.Permanent, "", ""},
		"name with a break": {set, txt("x\n$INCLUDE /etc/passwd\n", "x"), fault.Permanent, "", ""},
		"data with a break": {set, libdns.RR{Name: "x", TTL: time.Hour, Type: "A", Data: "192.0.2.1\ny A 192.0.2.2"},
			fault.Permanent, "", ""},
		"data with a comment": {set, libdns.RR{Name: "x", TTL: time.Hour, Type: "MX", Data: "10 ; x"},
			fault.Permanent, "", ""},
		"no data":      {set, libdns.RR{Name: "x", TTL: time.Hour, Type: "A"}, fault.Permanent, "", ""},
		"unknown type": {set, libdns.RR{Name: "x", TTL: time.Hour, Type: "NONSENSE", Data: "x"}, fault.Permanent, "", ""},
		"negative TTL": {set, libdns.TXT{Name: "x", TTL: -time.Hour, Text: "x"}, fault.Permanent, "", ""},
		"huge TTL":     {set, libdns.TXT{Name: "x", TTL: 1 << 62, Text: "x"}, fault.Permanent, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p, path := newZone(t, zoneText)
			if name == "set foreign TTL" {
				_, err := p.SetRecords(t.Context(), "example.com", []libdns.Record{txt("@", "hello world")})
				if err != nil {
					t.Fatalf("the very record that is there: %v", err)
				}
			}
			_, err := tc.call(p, t.Context(), "example.com.", []libdns.Record{txt("good", "one"), tc.rec})
			faulttest.Shown(t, err)
			if err == nil || fault.KindOf(err) != tc.kind || string(fault.CodeOf(err)) != tc.code ||
				!strings.Contains(fault.HintOf(err), tc.hint) {
				t.Errorf("got %v (kind %v, code %q, hint %q)", err, fault.KindOf(err), fault.CodeOf(err), fault.HintOf(err))
			}
			if got := read(t, path); got != zoneText {
				t.Error(cmp.Diff(zoneText, got))
			}
		})
	}
}

// TestStrangeInBlock: a TXT record in our block that somebody else wrote there stays, and the file
// with it, unless the caller gives up just that value (I6).
func TestStrangeInBlock(t *testing.T) {
	p, path := newZone(t, zoneText)
	replace := func(text, gives string) error {
		_, err := p.Replace(t.Context(), "example.com.", []libdns.Record{txt("s1._domainkey", text)},
			func(value string) bool { return value == gives }, false)
		return err
	}
	if err := replace("written by hand", ""); err != nil {
		t.Fatal(err)
	}
	before := read(t, path)
	err := replace("v=DKIM1; p=", "another value")
	faulttest.Shown(t, err)
	if fault.KindOf(err) != fault.Refused || fault.CodeOf(err) != "foreign-record" {
		t.Errorf("got %v (kind %v, code %q)", err, fault.KindOf(err), fault.CodeOf(err))
	}
	if got := read(t, path); got != before {
		t.Error(cmp.Diff(before, got))
	}
	if err := replace("v=DKIM1; p=", "written by hand"); err != nil {
		t.Errorf("the value that gives way: %v", err)
	}
}

// TestBesideAStranger: a record outside our block stays as it is when ours beside it is revoked, and gives the set its
// time to live. Without one of ours, or where ours is to stand alone, nothing is changed (I6).
func TestBesideAStranger(t *testing.T) {
	const theirs = "s1._domainkey.example.com. 60 IN TXT \"v=DKIM1; p=AAAA\"\n"
	replace := func(p *zonefile.Provider, beside bool) error {
		_, err := p.Replace(t.Context(), "example.com.", []libdns.Record{txt("s1._domainkey", "v=DKIM1; p=")}, nil, beside)
		return err
	}
	alone, _ := newZone(t, zoneText+theirs)
	if err := replace(alone, true); fault.CodeOf(err) != "foreign-record" {
		t.Errorf("where none is ours: %v", err)
	}
	p, path := newZone(t, zoneText)
	if _, err := p.SetRecords(t.Context(), "example.com", []libdns.Record{txt("s1._domainkey", longText)}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(read(t, path)+theirs), 0o600); err != nil {
		t.Fatal(err)
	}
	before := read(t, path)
	if err := replace(p, false); fault.CodeOf(err) != "foreign-record" || read(t, path) != before {
		t.Errorf("what is to stand alone: %v", err)
	}
	for range 2 {
		if err := replace(p, true); err != nil {
			t.Fatal(err)
		}
		after := read(t, path)
		if !strings.Contains(after, theirs) || strings.Contains(after, longText[:40]) ||
			!slices.ContainsFunc(strings.Split(after, "\n"), func(line string) bool {
				return strings.HasPrefix(line, "s1._domainkey") && strings.Contains(line, "60") && strings.HasSuffix(line, `p="`)
			}) {
			t.Errorf("the zone file is\n%s", after)
		}
	}
}

// Zones that can't be found or read give a lasting error with a remedy, and
// nothing is created in the directory.
func TestBadZones(t *testing.T) {
	for name, tc := range map[string]struct {
		zone  string
		setup func(t *testing.T, dir string) error
		want  string
	}{
		"missing":  {"example.net", nil, "no file example.net.zone"},
		"escaping": {"../../etc/passwd", nil, "not a domain name"},
		"empty":    {".", nil, "not a domain name"},
		"two files": {"example.com", func(_ *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, "example.com"), nil, 0o600)
		}, "holds example.com.zone and example.com"},
		"a directory": {"dir.example",
			func(_ *testing.T, dir string) error { return os.Mkdir(filepath.Join(dir, "dir.example.zone"), 0o700) }, "no file"},
		"broken": {"broken.example", func(_ *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, "broken.example"), []byte("garbage"), 0o600)
		}, "broken.example: "},
		"its include": {"inc.example", func(_ *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, "inc.example.zone"), []byte("$INCLUDE secret\n"), 0o600)
		}, "secret, line 1: "},
		"endless file": {"inf.example", func(_ *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, "inf.example.zone"), []byte("$INCLUDE /dev/zero\n"), 0o600)
		}, "not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			p, path := newZone(t, zoneText)
			dir := filepath.Dir(path)
			if err := os.WriteFile(filepath.Join(dir, "secret"), []byte("hunter2 hunter2\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if tc.setup != nil {
				if err := tc.setup(t, dir); err != nil {
					t.Fatal(err)
				}
			}
			_, err := p.GetRecords(t.Context(), tc.zone)
			_, err2 := p.SetRecords(t.Context(), tc.zone, []libdns.Record{txt("x", "x")})
			for _, err := range []error{err, err2} {
				faulttest.Shown(t, err)
				if err == nil || !strings.Contains(err.Error(), tc.want) || fault.KindOf(err) != fault.Permanent {
					t.Errorf("got %v (kind %v), want %q", err, fault.KindOf(err), tc.want)
				} else if strings.Contains(err.Error(), "hunter2") { // I9
					t.Errorf("an included file shows through: %v", err)
				}
			}
		})
	}
}
