package redis

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// config is mailcow's, with hashes for arc.
func config(r *signertest.Redis) Config {
	return Config{Name: "rs", Address: r.Address, KeyPrefix: "DKIM_PRIV_KEYS", SelectorPrefix: "DKIM_SELECTORS",
		PubPrefix: "DKIM_PUB_KEYS", ArcKeyPrefix: "ARC_KEYS", ArcSelectorPrefix: "ARC_SELECTORS"}
}

// start starts a Redis and an rspamd that asks it.
func start(t testing.TB) (*signertest.Rspamd, *signertest.Redis, *Signer) {
	t.Helper()
	r := signertest.StartRedis(t, nil)
	d := signertest.NewRspamd(t)
	s := New(config(r))
	module := `%s { use_esld = false; try_fallback = true; use_redis = true; key_prefix = %q; selector_prefix = %q; %s }` + "\n"
	d.Start(t, fmt.Sprintf("redis { servers = %q; }\n", r.Address)+
		fmt.Sprintf(module, "dkim_signing", s.cfg.KeyPrefix, s.cfg.SelectorPrefix, "")+
		fmt.Sprintf(module, "arc", s.cfg.ArcKeyPrefix, s.cfg.ArcSelectorPrefix, "sign_local = true; use_domain = header;"))
	return d, r, s
}

func TestMain(m *testing.M) {
	signertest.Main(m, func(_ string, cfg Config, step func(string) error) (signertest.Signer, error) {
		s := New(cfg)
		s.step = step
		return s, nil
	})
}

// TestConformance guards I1 and I10 with the real rspamd and the real Redis, which is one for all its tests.
func TestConformance(t *testing.T) {
	d, r, s := start(t)
	signertest.Run(t, func(t *testing.T) signertest.Subject {
		r.Do(t, "flushall")
		return signertest.Subject{Signer: s, SignsWith: func(t *testing.T, domain string) dkim.Ref {
			return d.SignsWith(t, domain, signertest.Keys(t, 4)...)
		}}
	})
}

// TestStopped: what Redis does not say is not guessed (I1).
func TestStopped(t *testing.T) {
	r := signertest.StartRedis(t, nil)
	s := New(config(r))
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	activate(t, s, key)
	r.Stop(t)
	_, err := s.Active(t.Context(), []string{"a.example"})
	signertest.WantCode(t, err, "", "see whether Redis runs")
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{key}), "", "see whether Redis runs")
	if preflighttest.Wrong(preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Questions: s.Check(nil)}},
		preflight.Usual)) == nil {
		t.Error("the preflight finds nothing")
	}
}

func activate(t testing.TB, s *Signer, keys ...dkim.SigningKey) {
	t.Helper()
	if err := s.Activate(t.Context(), keys); err != nil {
		t.Fatalf("Activate: %v (%s)", err, fault.HintOf(err))
	}
}

// TestSeenInMail: what rspamd signs carries the selector before, and at once after the switch the other one, once each;
// a second program verifies it, arc signs with the same one, and mailcow's page has its public key.
func TestSeenInMail(t *testing.T) {
	d, r, s := start(t)
	k := signertest.Keys(t, 2)
	for _, key := range []dkim.SigningKey{signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])} {
		activate(t, s, key)
		a, arc := d.Mail(t, "a.example")
		if len(a.Signatures) != 1 || a.Signatures[0].Selector != key.Selector {
			t.Fatalf("%v; want one signature with %s", a, key.Selector)
		}
		if !a.Signatures[0].VerifyWithDkimpy(t, key.Key) {
			t.Errorf("dkimpy: the signature with %s does not verify: %s", key.Selector, a.Signatures[0].Value)
		}
		if len(arc) != 1 || !strings.Contains(arc[0], "s="+key.Selector+";") {
			t.Errorf("ARC: %q\n%s", arc, d.Said())
		}
		shown := r.Do(t, "hget", "DKIM_PUB_KEYS", "a.example")
		if record := dkim.NewRecord(key.Key.Public(), "").String(); !strings.HasSuffix(record, "p="+shown) || shown == "" {
			t.Errorf("the public key is %q; want that of %s", shown, record)
		}
	}
	proved(t, d, s, k)
}

// proved guards I1: rspamd's proxy is asked where it is known, and what it signs with is believed, not what was written.
func proved(t *testing.T, d *signertest.Rspamd, s *Signer, k []*dkim.PrivateKey) {
	t.Helper()
	s.cfg.Witness = milter.Witness{Signer: "rs", Milter: d.Milter, Patience: time.Minute, Remedy: "see its log"}
	s1 := signertest.At("a.example", "s1", k[0])
	activate(t, s, s1)
	elsewhere := *s
	elsewhere.cfg.KeyPrefix, elsewhere.cfg.SelectorPrefix = "OTHER_KEYS", "OTHER_SELECTORS"
	elsewhere.cfg.Witness.Patience = time.Second
	err := elsewhere.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s2", k[1])})
	if err == nil || !strings.Contains(err.Error(), "it signs with selector s1") {
		t.Errorf("hashes that rspamd does not ask for: %v", err)
	}
	active, err := elsewhere.Active(t.Context(), []string{"a.example"})
	if err != nil || active["a.example"].Selector != "s1" {
		t.Errorf("rspamd signs with s1: %v, %v", active, err)
	}
}

// TestCrash guards I1, I2 and I7: wherever the process is killed, and whatever was asked of Redis before, mail is signed
// with the old key or the new one, under its own selector, and running again completes the switch.
func TestCrash(t *testing.T) {
	d, _, s := start(t)
	k := signertest.Keys(t, 3)
	completed := false
	for n := int32(1); !completed; n++ {
		domain := fmt.Sprintf("k%d.example", n)
		old, now := signertest.At(domain, "s1", k[0]), signertest.At(domain, "s2", k[1])
		activate(t, s, signertest.At(domain, "s2", k[2]))
		activate(t, s, old)
		killed, err := signertest.Elsewhere(t, "rs", s.cfg, n, now)
		if err != nil {
			t.Fatal(err)
		}
		if completed = !killed; completed && n < 7 {
			t.Fatalf("only %d operations; the test does not see them", n)
		}
		active, err := s.Active(t.Context(), []string{domain})
		if is := d.SignsWith(t, domain, k...); err != nil || is != active[domain] || is != old.Ref() && is != now.Ref() {
			t.Fatalf("killed before operation %d: signed with %+v, and Active says %+v, %v", n, is, active, err)
		}
		activate(t, s, now)
		if is := d.SignsWith(t, domain, k...); is != now.Ref() {
			t.Fatalf("after running again %s is signed with %+v", domain, is)
		}
	}
}

// TestEveryInstant guards I1 and I2: rspamd asks for the selector, then for its key. Whatever the selector was before any
// operation of a switch, the key is there at each later one, and belongs to it.
func TestEveryInstant(t *testing.T) {
	r := signertest.StartRedis(t, nil)
	s := New(config(r))
	k := signertest.Keys(t, 3)
	activate(t, s, signertest.At("a.example", "s2", k[2])) // what s2 held one rotation ago
	activate(t, s, signertest.At("a.example", "s1", k[0]))
	belongs := map[string]string{"s1": k[0].ID(), "s2": k[1].ID()}
	seen := map[string]bool{}
	looks := 0
	look := func() {
		looks++
		for _, m := range s.modules() {
			seen[r.Do(t, "hget", m.selectors, "a.example")] = true
			for selector := range seen {
				key, err := dkim.ParsePrivateKey([]byte(r.Do(t, "hget", m.keys, selector+".a.example")))
				if err != nil || key.ID() != belongs[selector] {
					t.Errorf("look %d: selector %s has another key; %v", looks, selector, err)
				}
			}
		}
	}
	s.step = func(string) error { look(); return nil }
	activate(t, s, signertest.At("a.example", "s2", k[1]))
	if look(); looks < 7 || len(seen) != 2 {
		t.Errorf("%d looks, selectors %v: the test does not see the operations", looks, seen)
	}
}

// TestOthersFields guards I6: fields of others stay as they are; the key that was in use is taken over; one that was not
// is neither replaced nor removed.
func TestOthersFields(t *testing.T) {
	r := signertest.StartRedis(t, nil)
	s := New(config(r))
	k := signertest.Keys(t, 4)
	for field, key := range map[string]*dkim.PrivateKey{"mail.a.example": k[0], "s2.b.example": k[1], "mail.c.example": k[0]} {
		r.Do(t, "hset", "DKIM_PRIV_KEYS", field, string(key.PEM()))
		r.Do(t, "hset", "ARC_KEYS", field, string(key.PEM()))
	}
	for _, hash := range []string{"DKIM_SELECTORS", "ARC_SELECTORS"} {
		r.Do(t, "hset", hash, "a.example", "mail", "c.example", "mail")
	}
	theirs := func() map[string]string {
		return map[string]string{"b": r.Do(t, "hget", "DKIM_PRIV_KEYS", "s2.b.example"),
			"c": r.Do(t, "hget", "DKIM_PRIV_KEYS", "mail.c.example"), "cs": r.Do(t, "hget", "DKIM_SELECTORS", "c.example")}
	}
	before := theirs()
	mail := signertest.At("a.example", "mail", k[0])
	if active, err := s.Active(t.Context(), []string{"a.example"}); err != nil || active["a.example"] != mail.Ref() {
		t.Fatalf("Active: %v, %v", active, err)
	}
	activate(t, s, signertest.At("a.example", "s2", k[1]), signertest.At("b.example", "s1", k[0]))
	activate(t, s, signertest.At("a.example", "mail", k[2])) // was theirs, and in use
	next := signertest.At("b.example", "s2", k[2])
	each, whichever := s.Screen(t.Context(), []dkim.SigningKey{
		{Name: next.Name, Record: dkim.NewRecord(next.Key.Public(), "").String()}})
	err := s.Activate(t.Context(), []dkim.SigningKey{next})
	if whichever != nil || fmt.Sprint(each["b.example"]) != fmt.Sprint(err) {
		t.Errorf("foreseen: %v, %v; came: %v", whichever, each, err)
	}
	signertest.WantCode(t, err, "foreign-key-file", "did not write", "redis-cli hdel")
	if err := s.Forget(t.Context(), []dkim.Ref{signertest.At("b.example", "s2", k[1]).Ref()}); err != nil {
		t.Error(err)
	}
	if after := theirs(); !maps.Equal(before, after) {
		t.Errorf("fields of others have changed: %v", after)
	}
}

// TestForget: a key whose selector signs is kept; another one goes; a newer key in its place stays.
func TestForget(t *testing.T) {
	r := signertest.StartRedis(t, nil)
	s := New(config(r))
	k := signertest.Keys(t, 3)
	s1, s2 := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	activate(t, s, s1)
	activate(t, s, s2)
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{s2.Ref()}), "key-in-use", "DKIM_SELECTORS")
	r.Do(t, "hset", "ARC_SELECTORS", "a.example", "s1")
	signertest.WantCode(t, s.Forget(t.Context(), []dkim.Ref{s1.Ref()}), "key-in-use", "ARC_SELECTORS")
	if active, err := s.Active(t.Context(), []string{"a.example"}); err != nil || len(active) > 0 {
		t.Errorf("two selectors sign, and Active says %v, %v", active, err)
	}
	activate(t, s, s1)
	activate(t, s, s2)
	for range 2 {
		if err := s.Forget(t.Context(), []dkim.Ref{s1.Ref()}); err != nil {
			t.Fatal(err)
		}
	}
	if fields := r.Do(t, "hkeys", "DKIM_PRIV_KEYS"); fields != "s2.a.example" {
		t.Errorf("keys: %s", fields)
	}
}

// TestRefusedByRedis: what an operator has to do is said, and no password or key stands in an error (I9).
func TestRefusedByRedis(t *testing.T) {
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	r := signertest.StartRedis(t, []string{"-a", "right"}, "--requirepass", "right")
	ask := func(edit func(*Config)) error {
		cfg := config(r)
		cfg.Password = settings.Inline("right")
		edit(&cfg)
		s := New(cfg)
		err := preflighttest.Wrong(preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer",
			Questions: s.Check([]preflight.Subject{{Name: key.Name}})}}, preflight.Usual))
		return errors.Join(err, s.Activate(t.Context(), []dkim.SigningKey{key}))
	}
	if err := ask(func(*Config) {}); err != nil {
		t.Fatal(err)
	}
	one := func(err error) error { // the first, which has the hint
		for {
			many, ok := err.(interface{ Unwrap() []error })
			if !ok {
				return err
			}
			err = many.Unwrap()[0]
		}
	}
	signertest.WantCode(t, one(ask(func(c *Config) { c.Password = settings.Secret{} })), "", "password_file")
	signertest.WantCode(t, one(ask(func(c *Config) { c.Password = settings.Inline("wrong-word") })), "", "password_file")
	signertest.WantCode(t, one(ask(func(c *Config) { c.Password = settings.FromFile("/nonexistent/password") })), "", "password_file")
	r.Do(t, "acl", "setuser", "reader", "on", ">right", "~*", "+hmget", "+info", "+hget")
	signertest.WantCode(t, one(ask(func(c *Config) { c.Username = "reader" })), "not-writable", "+hset")
	rights := []string{"+hmget", "+hset", "+hdel", "+multi", "+exec", "+info"}
	for i, right := range append([]string{""}, rights...) { // as the example's page lists them; each that is missing is told
		user := append([]string{"acl", "setuser", "less" + strconv.Itoa(i), "on", ">right", "~*"}, rights...)
		if right != "" {
			user = append(user, "-"+right[1:])
		}
		r.Do(t, user...)
		cfg := config(r)
		cfg.Username, cfg.Password = "less"+strconv.Itoa(i), settings.Inline("right")
		before := r.Do(t, "hgetall", cfg.KeyPrefix) + r.Do(t, "hgetall", cfg.SelectorPrefix)
		err := preflighttest.Wrong(preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer",
			Questions: New(cfg).Check([]preflight.Subject{{Name: key.Name}})}}, preflight.Usual))
		if (err != nil) != (right != "") {
			t.Errorf("without %q: %v", right, err)
		}
		if after := r.Do(t, "hgetall", cfg.KeyPrefix) + r.Do(t, "hgetall", cfg.SelectorPrefix); after != before {
			t.Errorf("the check changed the hashes: %q, before %q", after, before)
		}
	}
	r.Do(t, "set", "DKIM_WRONG", "text")
	signertest.WantCode(t, one(ask(func(c *Config) { c.SelectorPrefix = "DKIM_WRONG" })), "", "correct the prefixes")
	r.Do(t, "config", "set", "maxmemory", "100mb")
	r.Do(t, "config", "set", "maxmemory-policy", "allkeys-lru")
	signertest.WantCode(t, one(ask(func(*Config) {})), "", "allkeys-lru", "mail would go unsigned")
	r.Do(t, "config", "set", "maxmemory-policy", "noeviction")
	r.Do(t, "config", "set", "maxmemory", "1")
	s := New(config(r))
	s.cfg.Password = settings.Inline("right")
	other := signertest.At("b.example", "s1", key.Key)
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{other}), "", "more memory")
	r.Do(t, "config", "set", "maxmemory", "0")
	r.Do(t, "replicaof", "127.0.0.1", "1")
	signertest.WantCode(t, one(ask(func(*Config) {})), "not-writable", "replica")
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{other}), "", "primary")
}

// TestNotAsWritten: what another program did meanwhile is seen (I10), and a key that arc can't use is refused.
func TestNotAsWritten(t *testing.T) {
	r := signertest.StartRedis(t, nil)
	s := New(config(r))
	s.step = func(operation string) error {
		if operation == "confirm" {
			r.Do(t, "hset", "DKIM_SELECTORS", "a.example", "other")
		}
		return nil
	}
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{key}), "", "something else", "another program")
	s.step = nil
	small, err := dkim.Generate(dkim.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	signertest.WantCode(t, s.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "e1", small)}), "unproven-algorithm", "arc")
	s.cfg.ArcKeyPrefix, s.cfg.ArcSelectorPrefix = "", ""
	activate(t, s, signertest.At("a.example", "e1", small))
}

// BenchmarkSwitch switches 1,000 domains in a real Redis, which rspamd asks with each message.
func BenchmarkSwitch(b *testing.B) {
	r := signertest.StartRedis(b, nil)
	number := regexp.MustCompile(`total_(commands|writes)_processed:([0-9]+)`)
	signertest.Switch1000(b, New(config(r)), func() map[string]int {
		all := map[string]int{}
		for _, m := range number.FindAllStringSubmatch(r.Do(b, "info", "stats"), -1) {
			all[m[1]], _ = strconv.Atoi(m[2])
		}
		return all
	})
}
