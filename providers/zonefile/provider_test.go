package zonefile_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/libdns/libdns"

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
