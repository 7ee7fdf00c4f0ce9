package vault

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"pgregory.net/rapid"

	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// asked is what the preflight finds.
func asked(t testing.TB, s *Signer, domains ...string) error {
	t.Helper()
	var of []preflight.Subject
	for _, d := range domains {
		of = append(of, preflight.Subject{Name: dkim.Name{Domain: d, Selector: "s1"}})
	}
	return preflighttest.Wrong(preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Questions: s.Check(of)}},
		preflight.Usual))
}

// TestOneAtAnyTime guards I1: whatever switches there were, at once or scheduled, with clocks set back and
// forth between them, after each write exactly one entry is valid at any time, by any clock.
func TestOneAtAnyTime(t *testing.T) {
	k := signertest.Keys(t, 3)
	rapid.Check(t, func(t *rapid.T) {
		is := &secret{domain: "a.example", fields: map[string]json.RawMessage{}}
		clock := time.Unix(1_800_000_000, 0)
		for range rapid.IntRange(1, 8).Draw(t, "switches") {
			clock = clock.Add(time.Duration(rapid.IntRange(-3000, 5000).Draw(t, "passed")) * 100 * time.Millisecond)
			after := time.Duration(rapid.IntRange(0, 3).Draw(t, "after")) * time.Minute
			key := signertest.At("a.example", rapid.SampledFrom([]string{"s1", "s2"}).Draw(t, "selector"),
				k[rapid.IntRange(0, 2).Draw(t, "key")])
			signs := is.signing(seconds(clock))
			if _, err := is.choose(key, clock, after, false); err != nil {
				t.Fatal(err)
			}
			data, err := is.data()
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(data)
			if err != nil {
				t.Fatal(err)
			}
			if is, err = parse(signer.Secret{Data: text}, "a.example"); err != nil {
				t.Fatal(err)
			}
			for _, at := range is.instants(-forever, forever) {
				for _, near := range []float64{math.Nextafter(at, -forever), at, math.Nextafter(at, forever)} {
					if valid := is.signing(min(near, forever)); len(valid) != 1 && near < forever {
						t.Fatalf("at %v %d entries are valid: %s", near, len(valid), text)
					}
				}
			}
			if last, ok := is.alone(seconds(clock.Add(after+time.Second)), forever); !ok || last.ref != key.Ref() {
				t.Fatalf("%v is not what signs at the end: %s", key, text)
			}
			if now := is.signing(seconds(clock)); after > 0 && len(signs) == 1 && now[0].ref != signs[0].ref &&
				signs[0].start <= seconds(clock) && now[0].ref != key.Ref() {
				t.Fatalf("what signs has changed to %v before its time: %s", now[0].ref, text)
			}
		}
	})
}

// TestOthersEntries guards I6: entries and fields of others stay as they are; the key that was in use is
// taken over, and can be forgotten then; one that will be valid is refused by name.
func TestOthersEntries(t *testing.T) {
	srv := vaulttest.Start(t)
	s := open(t, srv, Config{Name: "rs", Path: "secret/rspamd"})
	k := signertest.Keys(t, 3)
	put(t, srv, "secret/rspamd/a.example", fmt.Sprintf(`{"note": "ours", "selectors": [
		{"selector": "mail", "domain": "a.example", "key": %q, "alg": "rsa", "bits": 2048, "comment": 1775001600},
		{"selector": "old", "key": %q, "valid_end": "1700000000", "owner": {"name": "x"}},
		{"selector": "broken"}]}`, k[0].PEM(), k[1].PEM()))
	old := document(t, s, "a.example").entries[1].fields
	mail := signertest.At("a.example", "mail", k[0])
	if active, err := s.Active(t.Context(), []string{"a.example"}); err != nil || active["a.example"] != mail.Ref() {
		t.Fatalf("Active: %v, %v", active, err)
	}
	activate(t, s, signertest.At("a.example", "s2", k[2]))
	is := document(t, s, "a.example")
	if len(is.entries) != 4 || string(is.fields["note"]) != `"ours"` ||
		fmt.Sprint(is.entries[1].fields) != fmt.Sprint(old) ||
		len(is.entries[2].fields) != 1 || string(is.entries[0].fields["comment"]) != "1775001600" {
		t.Errorf("%+v", is.fields)
	}
	if e := is.entries[0]; !e.ours || e.later(-forever) {
		t.Errorf("the entry that was in use: %s", e.fields)
	}
	for _, ref := range []dkim.Ref{mail.Ref(), signertest.At("a.example", "old", k[1]).Ref()} {
		if err := s.Forget(t.Context(), []dkim.Ref{ref}); err != nil {
			t.Error(err)
		}
	}
	if is = document(t, s, "a.example"); is.find(mail.Ref()) != nil || len(is.entries) != 3 {
		t.Errorf("%s", is.before.Data)
	}
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{signertest.At("a.example", "s2", k[2]).Ref()}), "key-in-use",
		"activate the other")

	put(t, srv, "secret/rspamd/b.example",
		fmt.Sprintf(`{"selectors": [{"selector": "next", "key": %q, "valid_start": %d}]}`,
			k[0].PEM(), time.Now().Unix()+3600))
	next := signertest.At("b.example", "s1", k[1])
	each, whichever := s.Screen(t.Context(), []dkim.SigningKey{
		{Name: next.Name, Record: dkim.NewRecord(next.Key.Public(), "").String()}})
	err := s.Activate(t.Context(), []dkim.SigningKey{next})
	if fmt.Sprint(whichever) != fmt.Sprint(err) || len(each) > 0 {
		t.Errorf("foreseen: %v, %v; came: %v", whichever, each, err)
	}
	signertest.WantCode(t, err, "foreign-signer-line", "next", "valid_end that is past")
	put(t, srv, "secret/rspamd/c.example",
		fmt.Sprintf(`{"selectors": [{"selector": "x", "domain": "d.example", "key": %q}]}`,
			k[0].PEM()))
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{signertest.At("c.example", "s1", k[1])}),
		"foreign-signer-line",
		"x._domainkey.d.example")
}

// TestGap: a time at which nothing is valid is reported before it comes.
func TestGap(t *testing.T) {
	srv := vaulttest.Start(t)
	s := open(t, srv, Config{Name: "rs", Path: "secret/rspamd"})
	key := signertest.Keys(t, 1)[0].PEM()
	for _, test := range []struct{ end, words string }{
		{"1700000000", "now: no entry is valid"},
		{"4102444800", "from 2100-01-01T00:00:00Z on: no entry is valid"},
	} {
		put(t, srv, "secret/rspamd/a.example", fmt.Sprintf(`{"selectors": [{"selector": "s1", "key": %q, "valid_end": %s}]}`,
			key, test.end))
		signertest.WantCode(t, asked(t, s, "a.example"), "foreign-signer-line", test.words, "rotate the domain")
	}
}

// TestNotRspamds: a secret in which rspamd would stumble is an error of its own domain, and is not written.
func TestNotRspamds(t *testing.T) {
	srv := vaulttest.Start(t)
	s := open(t, srv, Config{Name: "rs", Path: "secret/rspamd"})
	key := signertest.At("b.example", "s1", signertest.Keys(t, 1)[0])
	for _, data := range []string{`{"selectors": "s1"}`, `{"selectors": ["s1"]}`,
		`{"selectors": [{"selector": "s1", "key": "x", "valid_end": "soon"}]}`} {
		put(t, srv, "secret/rspamd/a.example", data)
		err := s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s1", key.Key), key})
		partial, ok := err.(interface{ FailedDomains() map[string]error })
		if !ok || len(partial.FailedDomains()) != 1 {
			t.Fatalf("%s: %v", data, err)
		}
		signertest.WantCode(t, partial.FailedDomains()["a.example"], "", "vault kv get", "is not one of rspamd's")
		active, err := s.Active(t.Context(), []string{"a.example", "b.example"})
		if err == nil || active["b.example"] != key.Ref() {
			t.Errorf("%s: %v, %v", data, active, err)
		}
	}
}

// TestSilent guards I1 and I10: what Vault does not say is not guessed, and what another program did
// meanwhile is seen.
func TestSilent(t *testing.T) {
	srv := vaulttest.Start(t)
	s := open(t, srv, Config{Name: "rs", Path: "secret/rspamd", ArcPath: "secret/arc"})
	k := signertest.Keys(t, 2)
	key := signertest.At("a.example", "s1", k[0])
	activate(t, s, key)
	small, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "e1", small)}),
		"unproven-algorithm", "arc")
	next := signertest.At("a.example", "s2", k[1])
	meddle := func(at, data string) {
		s.step = func(operation string) error {
			if operation == at {
				put(t, srv, "secret/rspamd/a.example", data)
			}
			return nil
		}
	}
	meddle("write secret/rspamd", `{"selectors": []}`)
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{next}), "", "another program")
	if is := document(t, s, "a.example"); len(is.entries) != 0 {
		t.Errorf("another's write was lost: %s", is.before.Data)
	}
	s.step = nil
	activate(t, s, key)
	meddle("confirm secret/rspamd", `{"selectors": []}`)
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{next}), "", "something else")
	s.step = nil
	activate(t, s, key)
	s.cfg.ArcPath = ""
	activate(t, s, next)
	s.cfg.ArcPath = "secret/arc"
	if active, err := s.Active(t.Context(), []string{"a.example"}); err != nil || len(active) > 0 {
		t.Errorf("dkim_signing and arc differ, and Active says %v, %v", active, err)
	}
	srv.Seal(t)
	if active, err := s.Active(t.Context(), []string{"a.example"}); err == nil {
		t.Errorf("Active: %v; want an error", active)
	}
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{next}), "vault-sealed", "unseal")
	if asked(t, s, "a.example") == nil {
		t.Error("the preflight finds nothing")
	}
	bare := New(Config{Name: "rs", Path: "secret/rspamd"})
	_, err = bare.Active(t.Context(), []string{"a.example"})
	signertest.WantCode(t, err, "", "keystore.driver: vault")
	if errors.Is(err, nil) || strings.Contains(err.Error(), "PRIVATE") {
		t.Error(err)
	}
}

// BenchmarkSwitch switches 1,000 domains.
func BenchmarkSwitch(b *testing.B) {
	s := open(b, vaulttest.Start(b), Config{Name: "rs", Path: "secret/rspamd"})
	step, counts := signertest.Counting(func(operation string) string {
		what, _, _ := strings.Cut(operation, " ")
		return map[string]string{"read": "reads", "confirm": "reads", "write": "writes"}[what]
	})
	s.step = step
	signertest.Switch1000(b, s, counts)
}

// TestExample: the policies of the example allow what is needed and nothing more, and its lines are those
// that the tests here run with.
func TestExample(t *testing.T) {
	const dir = "../../../../examples/rspamd-vault/"
	read := func(name string) string {
		text, err := os.ReadFile(dir + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	lines := signertest.RspamdVault("https://vault.example.com:8200", "TOKEN", "rspamd")
	if !strings.Contains(read("README.md"), "```\n"+lines+"\nvault_kv_version = 2;\n```") {
		t.Errorf("README.md does not have the lines\n%s", lines)
	}
	srv := vaulttest.Start(t)
	srv.Mount(t, "rspamd", "2")
	as := func(policies ...string) *Signer {
		for _, name := range policies {
			srv.Policy(t, name, read(name+".hcl"))
		}
		vault, err := signertest.OpenVault(srv.Address, srv.Token(t, api.TokenCreateRequest{Policies: policies}))
		if err != nil {
			t.Fatal(err)
		}
		s := New(Config{Name: "mx", Path: "rspamd"})
		s.UseVault(vault)
		return s
	}
	dkimbot, rspamd := as("dkimbot"), as("rspamd")
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	for range 2 {
		if err := asked(t, dkimbot, "a.example"); err != nil {
			t.Fatal(err)
		}
		activate(t, dkimbot, key)
	}
	if active, err := rspamd.Active(t.Context(), []string{"a.example"}); err != nil || active["a.example"] != key.Ref() {
		t.Errorf("rspamd sees %v, %v", active, err)
	}
	signertest.WantCode(t, rspamd.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s2", key.Key)}),
		"vault-forbidden",
		`"update" on rspamd/data/a.example`)
	signertest.WantCode(t, asked(t, rspamd, "a.example"), "vault-forbidden", "vault_path of signer mx")
}

// TestBeside guards I1 and I6: mail is signed with an entry of others beside dkimbot's, and that is what is said; the
// others' stays, and keeps no signer from leaving a compromised key.
func TestBeside(t *testing.T) {
	srv := vaulttest.Start(t)
	s := open(t, srv, Config{Name: "rs", Path: "secret/rspamd"})
	k := signertest.Keys(t, 3)
	s1, s2 := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	add := func(selector string) {
		t.Helper()
		is := document(t, s, "a.example")
		roll := fmt.Sprintf(`{"selector": %q, "domain": "a.example", "key": %q}`, selector, k[2].PEM())
		text := strings.Replace(string(is.before.Data), `"selectors":[`, `"selectors":[`+roll+",", 1)
		put(t, srv, "secret/rspamd/a.example", text)
	}
	signs := func(key dkim.SigningKey) {
		t.Helper()
		if active, err := s.Active(t.Context(), []string{"a.example"}); err != nil || active["a.example"] != key.Ref() {
			t.Errorf("it signs with %v, %v", active, err)
		}
	}
	activate(t, s, s1)
	add("roll")
	signs(s1)
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{s2}), "foreign-signer-line", "s1", "roll")
	if err := s.Activate(ports.Hurried(t.Context()), []dkim.SigningKey{s2}); err != nil {
		t.Fatal(err)
	}
	signs(s2)
	is := document(t, s, "a.example")
	if valid := is.signing(seconds(s.now())); len(valid) != 2 || valid[0].ours || valid[0].ref.Selector != "roll" {
		t.Errorf("%s", is.before.Data)
	}
	add("s1") // nobody could tell whose signature is whose
	err := s.Activate(ports.Hurried(t.Context()), []dkim.SigningKey{s1})
	signertest.WantCode(t, err, "foreign-signer-line", "s1")
}

// TestHurried guards I2: where a compromised key is left, its record is revoked next: a switch happens at once, also one
// that was scheduled already, and the key that was left can be removed at once. A scheduled one that is
// taken back before its time leaves exactly one entry that is ever valid.
func TestHurried(t *testing.T) {
	srv := vaulttest.Start(t)
	s := open(t, srv, Config{Name: "rs", Path: "secret/rspamd", After: time.Hour})
	k := signertest.Keys(t, 2)
	old, now := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	signs := func(what string, key dkim.SigningKey) {
		t.Helper()
		is := document(t, s, "a.example")
		if only, ok := is.alone(-forever, forever); !ok || only.ref != key.Ref() {
			t.Errorf("%s: not %s alone, at any time: %s", what, key.Name, is.before.Data)
		}
	}
	activate(t, s, old)
	if err := s.Activate(ports.Hurried(t.Context()), []dkim.SigningKey{now}); err != nil {
		t.Fatal(err)
	}
	signs("hurried", now)
	if err := s.Forget(t.Context(), []dkim.Ref{old.Ref()}); err != nil {
		t.Error(err)
	}
	activate(t, s, old)
	if is := document(t, s, "a.example"); is.find(now.Ref()).end != is.find(old.Ref()).start ||
		len(is.signing(seconds(s.now()))) != 1 {
		t.Errorf("not scheduled: %s", is.before.Data)
	}
	err := s.Forget(t.Context(), []dkim.Ref{now.Ref()})
	signertest.WantCode(t, err, "key-in-use", "is valid", "activate the other")
	if err := s.Activate(ports.Hurried(t.Context()), []dkim.SigningKey{old}); err != nil {
		t.Fatal(err)
	}
	signs("scheduled, then hurried", old)
	activate(t, s, now)
	activate(t, s, old)
	signs("scheduled, then taken back", old)
	activate(t, s, now)
	for range 2 {
		if err := s.Hasten(t.Context(), []dkim.Ref{now.Ref(), signertest.At("b.example", "s1", k[0]).Ref()}); err != nil {
			t.Fatal(err)
		}
		signs("scheduled, then hastened", now)
	}
	if err := s.Hasten(t.Context(), []dkim.Ref{old.Ref()}); err != nil {
		t.Fatal(err)
	}
	if signs("hastened to a key to which no switch is scheduled", now); s.HurriedLag() >= s.Lag() {
		t.Errorf("a hurried switch takes %s", s.HurriedLag())
	}
	activate(t, s, old)
	if err := s.Hasten(t.Context(), []dkim.Ref{old.Ref()}); err != nil {
		t.Fatal(err)
	}
	activate(t, s, now)
	at := document(t, s, "a.example").find(now.Ref()).start
	s.now = func() time.Time { return time.Unix(int64(at)+60, 0) }
	err = s.Forget(t.Context(), []dkim.Ref{old.Ref()})
	if signertest.WantCode(t, err, "", "a moment ago", "nothing needs to be done"); fault.KindOf(err) != fault.Transient {
		t.Errorf("a person is asked for: %v", err)
	}
}
