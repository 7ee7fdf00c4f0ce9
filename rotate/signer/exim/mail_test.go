package exim

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestSeenInMail: what Exim sends carries the selector before, and after the switch the other one, once each, and a second
// program verifies it; also with an Ed25519 key.
func TestSeenInMail(t *testing.T) {
	e := signertest.StartExim(t)
	s := newSigner(t, e, nil)
	k := signertest.Keys(t, 2)
	small, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []dkim.SigningKey{signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1]),
		signertest.At("a.example", "e1", small)} {
		activate(t, s, key)
		a := e.Mail(t, "a.example")
		if a.Refused || len(a.Signatures) != 1 || a.Signatures[0].Selector != key.Selector {
			t.Fatalf("%v; want one signature with %s\n%s", a, key.Selector, e.Log())
		}
		if !a.Signatures[0].VerifyWithDkimpy(t, key.Key) {
			t.Errorf("dkimpy: the signature with %s does not verify: %s", key.Selector, a.Signatures[0].Value)
		}
		if other := k[0]; key.Key != other && a.Signatures[0].VerifyWithDkimpy(t, other) {
			t.Error("dkimpy verifies with another key, too: it proves nothing")
		}
	}
}

// TestSwitchesUnderMail guards I2: Exim looks selector and key up one after the other; while the table changes all the
// time, both come from one version of it in every message.
func TestSwitchesUnderMail(t *testing.T) {
	e := signertest.StartExim(t)
	s := newSigner(t, e, nil)
	k := signertest.Keys(t, 2)
	keys := []dkim.SigningKey{signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])}
	activate(t, s, keys[0])
	var sent, switched atomic.Int32
	var mails sync.WaitGroup
	for range 3 {
		mails.Go(func() {
			for range 15 {
				if ref := e.SignsWith(t, "a.example", k...); ref != keys[0].Ref() && ref != keys[1].Ref() {
					t.Errorf("signed with %+v", ref)
				}
				sent.Add(1)
			}
		})
	}
	done := make(chan struct{})
	go func() { mails.Wait(); close(done) }()
	for i := 1; ; i++ {
		activate(t, s, keys[i%2])
		switched.Add(1)
		select {
		case <-done:
			t.Logf("%d messages, %d switches", sent.Load(), switched.Load())
			return
		default:
		}
	}
}

// TestLookups: this package reads a lookup file as Exim does.
func TestLookups(t *testing.T) {
	e := signertest.StartExim(t)
	table := "# note\n\na.example: selector=s1 privkey=/k/1\na.example: selector=s2 privkey=/k/2\n" +
		"B.Example\tselector = s3\n  privkey=\"/k/3\"\n\"c.example\" :  selector=s4:s5 privkey=/k/4\n" +
		"d.example selector=s6   privkey=/k/6\ne.example:\nf.example: privkey=/k/7 Selector=s7\r\n"
	write(t, e.Table, table)
	lines := entries([]byte(table))
	for domain, want := range map[string]string{"a.example": "s1 /k/1", "b.example": "s3 /k/3", "c.example": "s4:s5 /k/4",
		"d.example": "s6 /k/6", "e.example": "", "f.example": "s7 /k/7", "g.example": ""} {
		ours := strings.TrimSpace(extract(lines[domain], "selector") + " " + extract(lines[domain], "privkey"))
		lookup := "${lookup{" + domain + "}lsearch{" + e.Table + "}}"
		theirs := e.Expand(t, "${extract{selector}{"+lookup+"}} ${extract{privkey}{"+lookup+"}}")
		if ours != want || theirs != want {
			t.Errorf("%s: %q, and Exim says %q; want %q", domain, ours, theirs, want)
		}
	}
}

// TestOthersLines guards I6 and I1: lines of a person sign before the first switch, are told, and are kept byte for
// byte, without effect, after it.
func TestOthersLines(t *testing.T) {
	e := signertest.StartExim(t)
	s := newSigner(t, e, nil)
	k := signertest.Keys(t, 3)
	manual := filepath.Join(e.KeyDir, "mail.pem")
	write(t, manual, string(k[0].PEM()))
	own := "# by hand\r\nA.example: selector=mail privkey=" + manual + "\nb.example: selector=x:y privkey=" + manual +
		"\nc.example: selector=mail privkey=" + manual + "\n\tcomment=last"
	write(t, e.Table, own)
	dir, err := os.Stat(e.KeyDir)
	if err := errors.Join(err, os.Chmod(e.Table, 0o640), os.Chown(e.Table, 0, keyfiles.OwnerOf(dir).GID)); err != nil {
		t.Fatal(err)
	}
	active, err := s.Active(t.Context(), []string{"a.example", "c.example", "absent.example"})
	if err != nil || len(active) != 2 || active["a.example"] != signertest.At("a.example", "mail", k[0]).Ref() {
		t.Fatalf("Active: %v, %v", active, err)
	}
	_, err = s.Active(t.Context(), []string{"b.example"})
	signertest.WantCode(t, err, "foreign-signer-line", "several selectors", "b.example")

	for i, selector := range []string{"s1", "s2"} {
		activate(t, s, signertest.At("a.example", selector, k[1+i]), signertest.At("b.example", selector, k[1+i]))
		for domain, want := range map[string]dkim.Ref{"a.example": signertest.At("a.example", selector, k[1+i]).Ref(),
			"b.example": signertest.At("b.example", selector, k[1+i]).Ref(),
			"c.example": signertest.At("c.example", "mail", k[0]).Ref()} {
			if ref := e.SignsWith(t, domain, k...); ref != want {
				t.Errorf("%s is signed with %+v; want %+v", domain, ref, want)
			}
		}
		if text := read(t, e.Table); !strings.HasSuffix(text, own) {
			t.Errorf("the table holds\n%s\nwant it to end with\n%s", text, own)
		}
	}

	if info, err := os.Stat(e.Table); err != nil || info.Mode() != 0o640 ||
		keyfiles.OwnerOf(info).GID != keyfiles.OwnerOf(dir).GID {
		t.Errorf("mode and owner of the table were not kept: %v, %v", info.Mode(), err)
	}

	write(t, e.Table, " continued\n"+own)
	err = s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s1", k[1])})
	signertest.WantCode(t, err, "unloadable-line", "white space", "continued")
}

// TestInUse: what a line has a domain signed with, as Exim takes it; nothing is guessed (I1).
func TestInUse(t *testing.T) {
	s, k := newSigner(t, signertest.StartExim(t), nil), signertest.Keys(t, 1)[0]
	file := filepath.Join(s.cfg.KeyDir, "mail.pem")
	write(t, file, string(k.PEM()))
	block, _ := pem.Decode(k.PEM())
	mail := dkim.Ref{Name: dkim.Name{Domain: "a.example", Selector: "mail"}, KeyID: k.ID()}
	for value, want := range map[string]dkim.Ref{
		"selector=Mail privkey=" + file:                                           mail,
		"selector=mail privkey=" + base64.StdEncoding.EncodeToString(block.Bytes): mail,
		"selector=mail privkey=0":                                                 {},
		"selector=mail privkey=false":                                             {},
		"selector=mail":                                                           {},
		"privkey=" + file:                                                         {},
	} {
		if got, err := s.signs("a.example", value); err != nil || got != want {
			t.Errorf("%.40s: %v, %v", value, got, err)
		}
	}
	for _, several := range []string{"s1:s2", "<;s1;s2", "s1;s2", "s1,s2"} {
		if got, err := s.signs("a.example", "selector="+several+" privkey="+file); err == nil {
			t.Errorf("%s: %v", several, got)
		}
	}
}

// TestForget: what a line names is kept, whoever wrote it; what nothing names goes.
func TestForget(t *testing.T) {
	e := signertest.StartExim(t)
	s := newSigner(t, e, nil)
	k := signertest.Keys(t, 2)
	s1, s2 := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	activate(t, s, s1)
	activate(t, s, s2)
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{s2.Ref()}), "key-in-use", "s2")
	write(t, e.Table, read(t, e.Table)+"b.example: selector=s1 privkey="+s.store.File(s1.Ref())+"\n")
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{s1.Ref()}), "key-in-use", "s1")
	link, dir := filepath.Join(e.Dir, "b.pem"), filepath.Join(e.Dir, "link") // a link is another name of the file
	if err := errors.Join(os.Symlink(s.store.File(s1.Ref()), link), os.Symlink(e.KeyDir, dir)); err != nil {
		t.Fatal(err)
	}
	linked := newSigner(t, e, func(c *Config) { c.KeyDir = dir })
	signertest.WantCode(t, linked.Forget(t.Context(), []dkim.Ref{s1.Ref()}), "key-in-use", "s1")
	write(t, e.Table, strings.Replace(read(t, e.Table), "selector=s1 privkey="+s.store.File(s1.Ref()),
		"selector=s1 privkey="+link, 1))
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{s1.Ref()}), "key-in-use", "s1")
	write(t, e.Table, strings.Replace(read(t, e.Table), "b.example:", "#", 1))
	if err := s.Forget(t.Context(), []dkim.Ref{s1.Ref()}); err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(filepath.Join(e.KeyDir, "a.example")); len(files) != 1 {
		t.Errorf("key files: %v", files)
	}
	if ref := e.SignsWith(t, "a.example", k...); ref != s2.Ref() {
		t.Errorf("signed with %+v", ref)
	}
}

// TestOneWrite: however many domains, the table is written once.
func TestOneWrite(t *testing.T) {
	e := signertest.StartExim(t)
	s := newSigner(t, e, nil)
	writes := 0
	s.step = func(operation string) error {
		if operation == "rename dkim.table" {
			writes++
		}
		return nil
	}
	var keys []dkim.SigningKey
	for i := range 300 {
		keys = append(keys, signertest.At("d"+string(rune('a'+i%26))+string(rune('a'+i/26))+".example", "s1",
			signertest.Keys(t, 1)[0]))
	}
	for range 2 { // nothing is written the second time
		if activate(t, s, keys...); writes != 1 {
			t.Fatalf("%d writes", writes)
		}
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// BenchmarkSwitch switches 1,000 domains with one write of the lookup file, which Exim reads with each message.
func BenchmarkSwitch(b *testing.B) {
	s := newSigner(b, signertest.StartExim(b), nil)
	step, counts := signertest.Counting(func(operation string) string {
		if operation == "rename dkim.table" {
			return "writes"
		}
		return ""
	})
	s.step = step
	signertest.Switch1000(b, s, counts)
}
