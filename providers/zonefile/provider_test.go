package zonefile_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/libdns/libdns"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/providers/zonefile"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
)

const zoneText = `; the zone of example.com
$TTL 1h
@	IN SOA ns hostmaster (
		41	; serial
		1h 10m 1d 60 )
	NS	ns
	TXT	"hello world"
ns	A	127.0.0.1
www	A	192.0.2.1
	A	192.0.2.2
alias	CNAME	www
child	NS	ns.child
ns.child A	127.0.0.1
old	DNAME	new
old._domainkey	TXT	"v=DKIM1; p=" "foreign"
; the end
`

// longText is longer than one string of a TXT record, and holds what needs escaping.
var longText = "v=DKIM1; k=rsa; p=" + strings.Repeat("0123456789abcdef", 24) + `"\;` + "\x7f"

func newZone(t testing.TB, text string) (*zonefile.Provider, string) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "example.com.zone")
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return &zonefile.Provider{Dir: dir}, path
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func txt(name, text string) libdns.Record {
	return libdns.TXT{Name: name, TTL: time.Hour, Text: text}
}

func addr(name, ip string) libdns.Record {
	return libdns.RR{Name: name, TTL: time.Hour, Type: "A", Data: ip}
}

// at returns the data of the records of a name and type, in the order of the file.
func at(t testing.TB, p *zonefile.Provider, name, kind string) []string {
	t.Helper()
	recs, err := p.GetRecords(t.Context(), "example.com.")
	if err != nil {
		t.Fatal(err)
	}
	var data []string
	for _, r := range recs {
		if rr := r.RR(); rr.Name == name && rr.Type == kind {
			data = append(data, rr.Data)
		}
	}
	return data
}

func rrs(recs []libdns.Record) []libdns.RR {
	var out []libdns.RR
	for _, r := range recs {
		out = append(out, r.RR())
	}
	return out
}

// SetRecords follows the contract of libdns.
func TestSetRecords(t *testing.T) {
	p, path := newZone(t, zoneText)
	set := func(zone string, recs ...libdns.Record) {
		t.Helper()
		got, err := p.SetRecords(t.Context(), zone, recs)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(recs) {
			t.Errorf("%d records returned, want %d", len(got), len(recs))
		}
	}
	want := func(name, kind string, data ...string) {
		t.Helper()
		if diff := cmp.Diff(data, at(t, p, name, kind)); diff != "" {
			t.Errorf("%s %s: %s", name, kind, diff)
		}
	}

	set("example.com.", txt("s1._domainkey", longText), addr("alpha", "192.0.2.1"), addr("alpha", "192.0.2.2"))
	want("s1._domainkey", "TXT", longText)
	want("alpha", "A", "192.0.2.1", "192.0.2.2")

	set("Example.COM", addr("alpha", "192.0.2.3"), txt("alpha", "beside"))
	want("alpha", "A", "192.0.2.3")
	want("alpha", "TXT", "beside")
	want("s1._domainkey", "TXT", longText)

	before := read(t, path)
	set("example.com", addr("ALPHA", "192.0.2.3"))
	if read(t, path) != before {
		t.Error("the file changed although nothing was to change")
	}

	// What already stands outside the block needs no change of it.
	set("example.com", addr("www", "192.0.2.1"), addr("www", "192.0.2.2"), addr("www", "192.0.2.3"))
	want("www", "A", "192.0.2.1", "192.0.2.2", "192.0.2.3")
	set("example.com", addr("www", "192.0.2.1"), addr("www", "192.0.2.2"))
	want("www", "A", "192.0.2.1", "192.0.2.2")
	want("@", "SOA", "ns.example.com. hostmaster.example.com. 45 3600 600 86400 60")
	kept := strings.Replace(zoneText, "41\t; serial", "45\t; serial", 1)
	if got := read(t, path); !strings.HasPrefix(got, kept) {
		t.Error(cmp.Diff(kept, got))
	}
}

func TestRecordsAreTyped(t *testing.T) {
	p, _ := newZone(t, zoneText+"_x._tcp SRV 1 2 3 www\nplain SVCB 1 www alpn=h2\nsrv SRV 1 2 3 www\nt TYPE65534 \\# 1 00\n")
	recs, err := p.GetRecords(t.Context(), "example.com")
	if err != nil {
		t.Fatal(err) // records that libdns can't express must not make the zone unreadable
	}
	for _, r := range recs {
		switch rr := r.RR(); {
		case rr.Name == "www":
			if _, ok := r.(libdns.Address); !ok {
				t.Errorf("%T for %v", r, rr)
			}
		case rr.Name == "_x._tcp":
			if srv, ok := r.(libdns.SRV); !ok || srv.Target != "www.example.com." {
				t.Errorf("%T for %v", r, rr)
			}
		case rr.Name == "t":
			if rr.Type != "TYPE65534" || rr.Data != `\# 1 00` {
				t.Errorf("%T %v", r, rr)
			}
		}
	}
	if len(recs) != 15 {
		t.Errorf("%d records", len(recs))
	}
}

func TestAppendAndDelete(t *testing.T) {
	p, path := newZone(t, zoneText)
	added, err := p.AppendRecords(t.Context(), "example.com.",
		[]libdns.Record{txt("@", "second"), txt("@", "hello world"), txt("x", "1"), txt("x", "2"), addr("x", "192.0.2.1")})
	if err != nil {
		t.Fatal(err)
	}
	if len(added) != 4 || len(at(t, p, "@", "TXT")) != 2 {
		t.Errorf("added %v", rrs(added))
	}
	for _, tc := range []struct {
		what string
		rec  libdns.RR
		want int
	}{
		{"another name", libdns.RR{Name: "y"}, 0},
		{"another TTL", libdns.RR{Name: "x", TTL: time.Minute}, 0},
		{"another text", libdns.RR{Name: "x", Type: "TXT", Data: "3"}, 0},
		{"exact", libdns.RR{Name: "x", Type: "TXT", TTL: time.Hour, Data: "1"}, 1},
		{"gone already", libdns.RR{Name: "x", Type: "TXT", TTL: time.Hour, Data: "1"}, 0},
		{"by data", libdns.RR{Name: "x", Data: "192.0.2.1"}, 1},
		{"by name", libdns.RR{Name: "X"}, 1},
		{"beside a foreign one", libdns.RR{Name: "@", Type: "TXT", Data: "second"}, 1},
	} {
		got, err := p.DeleteRecords(t.Context(), "example.com", []libdns.Record{tc.rec})
		if err != nil || len(got) != tc.want {
			t.Errorf("%s: deleted %v, error %v", tc.what, rrs(got), err)
		}
	}
	if got, want := read(t, path), strings.Replace(zoneText, "41\t", "46\t", 1); got != want {
		t.Error(cmp.Diff(want, got))
	}
}

// An internationalised zone is found by its A-labels (RFC 5890).
func TestInternationalisedZone(t *testing.T) {
	p, path := newZone(t, zoneText)
	if err := os.Rename(path, filepath.Join(p.Dir, "xn--mnchen-3ya.example.zone")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.SetRecords(t.Context(), "München.example", []libdns.Record{txt("x", "x")}); err != nil {
		t.Fatal(err)
	}
	if got, err := p.DeleteRecords(t.Context(), "münchen.example.", []libdns.Record{txt("x", "x")}); err != nil ||
		len(got) != 1 {
		t.Errorf("deleted %v, error %v", rrs(got), err)
	}
}

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

// Zones that can't be found or read give a lasting error with a remedy, and
// nothing is created in the directory.
// TestStrangeInBlock: a TXT record in our block that somebody else wrote there stays, and the file
// with it, unless the caller gives up just that value (I6).
func TestStrangeInBlock(t *testing.T) {
	p, path := newZone(t, zoneText)
	replace := func(text, gives string) error {
		_, err := p.Replace(t.Context(), "example.com.", []libdns.Record{txt("s1._domainkey", text)},
			func(value string) bool { return value == gives })
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

func TestListZones(t *testing.T) {
	p, path := newZone(t, zoneText)
	dir := filepath.Dir(path)
	bare := strings.ReplaceAll(zoneText, "example.com", "bare.example")
	for name, text := range map[string]string{
		"bare.example": bare, "README": "read me", "named.conf": "options { };", ".hidden.example.zone": bare,
		"UPPER.example.zone": bare, "other.zone~": bare,
		"odd name.zone": bare, "new.example.zone": "not yet",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	before := listing(t, dir)
	got, err := p.ListZones(t.Context())
	if want := []libdns.Zone{{Name: "bare.example."}, {Name: "example.com."}, {Name: "new.example."}}; err != nil ||
		!cmp.Equal(got, want) {
		t.Errorf("error %v, %s", err, cmp.Diff(want, got))
	}
	if _, err := p.GetRecords(t.Context(), "bare.example"); err != nil {
		t.Error(err)
	}
	// I11: reading creates nothing.
	if after := listing(t, dir); after != before {
		t.Errorf("before %s, after %s", before, after)
	}
	p.Dir = filepath.Join(dir, "missing")
	if _, err := p.ListZones(t.Context()); fault.KindOf(err) != fault.Permanent {
		t.Errorf("missing directory: %v", err)
	} else {
		faulttest.Shown(t, err)
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestModeOwnerAndLinkStay(t *testing.T) {
	p, path := newZone(t, zoneText)
	real := filepath.Join(t.TempDir(), "real")
	if err := errors.Join(os.Rename(path, real), os.Symlink(real, path), os.Chmod(real, 0o664)); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(real, 12345, 54321); err != nil {
			t.Fatal(err)
		}
	}
	stat := func() *syscall.Stat_t {
		info, err := os.Stat(real)
		if err != nil {
			t.Fatal(err)
		}
		return info.Sys().(*syscall.Stat_t)
	}
	before := stat()
	if _, err := p.SetRecords(t.Context(), "example.com", []libdns.Record{txt("x", "x")}); err != nil {
		t.Fatal(err)
	}
	after := stat()
	if before.Mode != after.Mode || before.Uid != after.Uid || before.Gid != after.Gid {
		t.Errorf("mode, owner: before %o %d:%d, after %o %d:%d", before.Mode, before.Uid, before.Gid, after.Mode,
			after.Uid, after.Gid)
	}
	if before.Ino == after.Ino {
		t.Error("the file was overwritten in place")
	}
	if link, err := os.Readlink(path); err != nil || link != real {
		t.Errorf("the link is gone: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(real), ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestCancellation(t *testing.T) {
	p, path := newZone(t, zoneText)
	lock, err := os.Create(filepath.Join(filepath.Dir(path), ".dkimbot-example.com.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	var ctx context.Context
	for wait := 50 * time.Millisecond; wait < time.Minute; wait *= 2 { // until it comes to the lock in time
		var cancel func()
		ctx, cancel = context.WithTimeout(t.Context(), wait)
		defer cancel()
		if _, err = p.SetRecords(ctx, "example.com", []libdns.Record{txt("x", "x")}); err == nil ||
			strings.Contains(err.Error(), "lock") {
			break
		}
	}
	faulttest.Shown(t, err)
	if !errors.Is(err, context.DeadlineExceeded) || fault.KindOf(err) != fault.Transient {
		t.Errorf("got %v", err)
	}
	if _, err := p.GetRecords(ctx, "example.com"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if read(t, path) != zoneText {
		t.Error("changed")
	}
}

// A judge that nobody here wrote accepts the file, and a real server serves it.
func TestNameServersReadTheFile(t *testing.T) {
	p, path := newZone(t, zoneText)
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	recs := []libdns.Record{txt("s1._domainkey", longText), txt("s2._domainkey", ""), addr("*.wild", "192.0.2.7"),
		libdns.CAA{Name: "@", TTL: time.Hour, Tag: "issue", Value: "ca.example"}}
	if _, err := p.SetRecords(t.Context(), "example.com", recs); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("named-checkzone", "-i", "none", "example.com", path).CombinedOutput(); err != nil {
		t.Fatalf("named-checkzone (Debian: bind9-utils): %v\n%s\n%s", err, out, read(t, path))
	}
	for name, start := range map[string]func(testing.TB,
		...nameservertest.Zone) *nameservertest.Server{"BIND": nameservertest.StartBIND, "Knot": nameservertest.StartKnot} {
		s := start(t, nameservertest.Zone{Name: "example.com", File: path})
		if got := s.Query(t, "s1._domainkey.example.com", "TXT"); !cmp.Equal(got, []string{longText}) {
			t.Errorf("%s: %q", name, got)
		}
		if got := s.Query(t, "any.wild.example.com", "A"); !cmp.Equal(got, []string{"192.0.2.7"}) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestOwns: records in our block are ours to change, any other TXT record at the name is not.
func TestOwns(t *testing.T) {
	p, _ := newZone(t, "$TTL 60\n@ SOA ns h 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\ntheirs TXT x\ntheirs A 192.0.2.2\nns.ours A 192.0.2.3\n")
	if _, err := p.SetRecords(t.Context(), "example.com.", []libdns.Record{txt("ours", "y")}); err != nil {
		t.Fatal(err)
	}
	for owner, want := range map[string]bool{"ours.example.com": true, "theirs.example.com": false,
		"nothing.example.com": true, "ns.example.com": true} {
		if got, err := p.Owns("example.com", owner); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", owner, got, err, want)
		}
	}
	if _, err := p.Owns("other.example", "x.other.example"); err == nil {
		t.Error("a zone without a file is read")
	}
}
