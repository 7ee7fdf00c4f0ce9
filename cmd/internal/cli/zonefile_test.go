package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// oddRecords are legal, and read by all name servers.
const oddRecords = "www HTTPS 1 . alpn=\"h2,h3\"\nold WKS 127.0.0.1 TCP smtp\nx TYPE65280 \\# 2 abcd\n$GENERATE 1-2 h$ A 127.0.0.$\n"

// A zone file with records that are rare but legal is like any other.
func TestOddZoneFile(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test")
	l.zone(t, "example.test", oddRecords)
	l.run(t, "validate").want(t, 0)
	l.run(t, "rotate", "--domain", "example.test").want(t, 0)
	if got := l.read(t, "zones/example.test.zone"); !strings.Contains(got, oddRecords) {
		t.Errorf("the records changed:\n%s", got)
	}
	l.wantSound(t, "example.test")
}

// Zone files that can't be changed, and records that can't be answered for, are named with
// line and reason before anything is done: at validate, and in the daemon's log, which
// continues for the other domains. A signed file is never changed (I2).
func TestZoneFilesAreNamed(t *testing.T) {
	t.Parallel()
	l := newLab(t, "good.test", "signed.test", "broken.test", "odd.test")
	l.zone(t, "signed.test", "@ RRSIG SOA 13 2 3600 20300101000000 20200101000000 12345 signed.test. AAAA\n")
	l.zone(t, "broken.test", "www A 127.0.0.1\nwww FOO bar\n")
	l.zone(t, "odd.test", "odd CAA 0 issue\n")
	signed := l.read(t, "zones/signed.test.zone")
	l.run(t, "validate").want(t, 1,
		"zones/signed.test.zone:1: the zone file is signed: line 6 holds the RRSIG record of signed.test",
		"point dir of the provider at the unsigned file",
		"zones/broken.test.zone:7: unknown record type")
	l.run(t, "validate", "--json").want(t, 1, `"line": 7`, `odd.test.zone"`, "CAA record can't be read",
		"queries for it are answered with SERVFAIL by dkimbot; other name servers can serve it from the same file")
	l.run(t, "rotate", "--domain", "signed.test").want(t, 1, "the zone file is signed")
	if l.read(t, "zones/signed.test.zone") != signed ||
		strings.Contains(l.read(t, "opendkim/signing.table"), "signed.test") {
		t.Error("the signed file, or a signer, was changed")
	}
	d := l.daemon(t)
	for _, text := range []string{"line 6 holds the RRSIG record", "broken.test.zone", `"line":7`, "odd.test.zone",
		"CAA record can't be read"} {
		d.awaitLog(t, text)
	}
	d.awaitPhase(t, "good.test", "ready")
	d.stop(t, syscall.SIGTERM, time.Minute)
}

// A zone file that is missing is told at validate, before the first key is made for nothing; it is no error, because
// the configuration may be checked on another machine.
func TestMissingZoneFileIsSaid(t *testing.T) {
	t.Parallel()
	l := newLab(t, "example.test", "absent.test")
	if err := os.Remove(filepath.Join(l.Dir, "zones/absent.test.zone")); err != nil {
		t.Fatal(err)
	}
	got := l.run(t, "validate")
	got.want(t, 0)
	if !strings.Contains(got.stderr, "zones/absent.test.zone") ||
		!strings.Contains(got.stderr, "the zone file is missing") || strings.Contains(got.stderr, "zones/example.test.zone") {
		t.Errorf("validate said %q", got.stderr)
	}
	l.run(t, "validate", "--json").want(t, 0, "the zone file is missing")
}
