package opendkim

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// fromBackup starts the daemon on a copy of the tables as they are now; here is called
// when it is to happen.
func fromBackup(t *testing.T, d *signertest.OpenDKIM) (here func(t *testing.T)) {
	t.Helper()
	copies := map[string]string{}
	for _, path := range []string{d.KeyTable, d.SigningTable} {
		copies[path] = read(t, path)
	}
	return func(t *testing.T) {
		conf := read(t, d.Conf)
		for path, text := range copies {
			write(t, path+".backup", text)
			conf = strings.ReplaceAll(conf, path+"\n", path+".backup\n")
		}
		write(t, d.Conf, conf)
		d.Restart(t)
	}
}

// TestAsks guards I1: a daemon that was restarted on tables from a backup signs with the old key,
// whatever the tables on the disk say. That is told, and its key stays.
func TestAsks(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	s := newSigner(t, d, nil)
	k := signertest.Keys(t, 3)
	s1, s2 := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	activate(t, s, s1)
	restart := fromBackup(t, d)
	activate(t, s, s2)
	wantActive(t, s, s2)
	restart(t)
	s.cfg.Reload = d.Reload()
	wantActive(t, s, s1)
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{s1.Ref()}), "key-in-use", "signs with it")
	if ref := d.SignsWith(t, "a.example", k...); ref != s1.Ref() {
		t.Errorf("signed with %+v", ref)
	}

	// Its tables are those of another key dir, with a key that nobody knows here.
	other := filepath.Join(d.Dir, "other.private")
	writeKey(t, d, other, k[2])
	write(t, d.KeyTable+".backup", "x a.example:s1:"+other+"\n")
	write(t, d.SigningTable+".backup", "*@a.example x\n")
	d.Restart(t)
	active, err := s.Active(t.Context(), []string{"a.example"})
	if want := (dkim.Ref{Name: s1.Name, KeyID: signer.UnknownKey}); err != nil || active["a.example"] != want {
		t.Errorf("Active: %v, %v; want %v", active, err, want)
	}

	// Mail that is turned away is signed with nothing.
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	if a := d.Mail(t, "a.example"); !a.Refused {
		t.Fatalf("the daemon does not mind: %v", a)
	}
	if active, err := s.Active(t.Context(), []string{"a.example", "b.example"}); err != nil || len(active) != 0 {
		t.Errorf("Active: %v, %v; want nothing", active, err)
	}

	d.Stop(t)
	_, err = s.Active(t.Context(), []string{"a.example"})
	wantWords(t, err, "does not answer", d.Socket, "whether the daemon runs")
	if fault.KindOf(err) != fault.Transient {
		t.Errorf("kind is %v; want Transient", fault.KindOf(err))
	}
	wantWords(t, s.Forget(t.Context(), []dkim.Ref{s1.Ref()}), "does not answer")
}

// TestAsksMany: some hundred domains are asked about at once, and a daemon that ends meanwhile, or that
// accepts and says nothing, is told soon and for each of the domains that it did not answer about.
func TestAsksMany(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	s := newSigner(t, d, nil)
	keys, domains := fleet(400, "s1", signertest.Keys(t, 1)[0])
	activate(t, s, keys...)
	start := time.Now()
	active, err := s.Active(t.Context(), domains)
	if err != nil || len(active) != len(domains) {
		t.Fatalf("Active: %d domains, %v", len(active), err)
	}
	t.Logf("%v a domain", time.Since(start)/time.Duration(len(domains)))
	d.Stop(t)
	active, err = s.Active(t.Context(), domains)
	part, ok := err.(interface{ FailedDomains() map[string]error })
	if !ok || len(part.FailedDomains()) != len(domains) || len(active) != 0 {
		t.Fatalf("Active: %d domains, %v; want an error for each", len(active), err)
	}
	for _, domain := range domains[:3] {
		wantWords(t, part.FailedDomains()[domain], "does not answer")
	}
}

// TestForgetsAfterReload: a daemon that has not heard of the last change is told before it is
// taken for one that signs with the key.
func TestForgetsAfterReload(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	k := signertest.Keys(t, 2)
	s, silent := newSigner(t, d, nil), newSigner(t, d, withoutMilter)
	silent.cfg.Reload = []string{"true"}
	s1, s2 := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	activate(t, s, s1)
	activate(t, silent, s2)
	wantActive(t, s, s1)
	if err := s.Forget(t.Context(), []dkim.Ref{s1.Ref()}); err != nil {
		t.Fatal(err)
	}
	wantActive(t, s, s2)
	wantSelectors(t, d, "a.example", "s2")
	if _, err := os.Stat(s.keyPath(s1.Ref())); err == nil {
		t.Error("the key file is still there")
	}
}

// TestLostLinesOfAdopted: where the lines are gone by which OpenDKIM signs other domains with keys that it was given by
// hand, it is not reloaded for one domain before the others are put back (I1).
func TestLostLinesOfAdopted(t *testing.T) {
	d := signertest.StartOpenDKIM(t)
	k := signertest.Keys(t, 4)
	a1, a2 := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	b, c := signertest.At("b.example", "s1", k[2]), signertest.At("c.example", "s1", k[3])
	for _, theirs := range []dkim.SigningKey{b, c} {
		path := filepath.Join(d.KeyDir, theirs.Domain+".key")
		writeKey(t, d, path, theirs.Key)
		write(t, d.KeyTable, read(t, d.KeyTable)+fmt.Sprintf("%s %s:s1:%s\n", theirs, theirs.Domain, path))
		write(t, d.SigningTable, read(t, d.SigningTable)+fmt.Sprintf("*@%s %s\n", theirs.Domain, theirs))
	}
	d.Restart(t)
	s := newSigner(t, d, nil)
	s.KnowOthers(func(context.Context) (map[string]dkim.Ref, error) {
		return map[string]dkim.Ref{"a.example": a1.Ref(), "b.example": b.Ref(), "c.example": c.Ref()}, nil
	})
	activate(t, s, a1)
	for _, path := range []string{s.keyTable, s.signTable} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	wantWords(t, s.Activate(t.Context(), []dkim.SigningKey{a2}), "b.example, c.example",
		"'dkimbot repair --domain b.example'")
	for _, back := range []dkim.SigningKey{b, c, a2} { // each is put back by itself, as they come
		activate(t, s, back)
		wantSelectors(t, d, "b.example", "s1")
		wantSelectors(t, d, "c.example", "s1")
	}
	wantActive(t, s, a2)
}

func BenchmarkActiveAsked(b *testing.B) {
	d := signertest.StartOpenDKIM(b)
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprintf("domains=%d", n), func(b *testing.B) {
			s := newSigner(b, d, func(c *Config) { c.ReloadTimeout = time.Minute })
			keys, domains := fleet(n, "s1", signertest.Keys(b, 1)[0])
			activate(b, s, keys...)
			for b.Loop() {
				if active, err := s.Active(b.Context(), domains); err != nil || len(active) != n {
					b.Fatalf("%d domains, %v", len(active), err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/domain")
		})
	}
}
