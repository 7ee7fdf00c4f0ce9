package redis

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestReplicas guards I1 and I2: where rspamd asks a replica, a switch is in force when that shows it. One that follows
// its primary no more, and goes on answering, holds the switch, and is named by the check; without its name the check warns.
func TestReplicas(t *testing.T) {
	primary := signertest.StartRedis(t, nil)
	port := primary.Address[strings.LastIndex(primary.Address, ":")+1:]
	replica := signertest.StartRedis(t, nil, "--replicaof", "127.0.0.1", port)
	d := signertest.NewRspamd(t)
	d.Start(t, "redis { read_servers = \""+replica.Address+"\"; write_servers = \""+primary.Address+"\"; }\n"+
		"dkim_signing { use_esld = false; use_redis = true; key_prefix = DKIM_PRIV_KEYS; selector_prefix = DKIM_SELECTORS; }\n")
	cfg := Config{Name: "rs", Address: primary.Address, KeyPrefix: "DKIM_PRIV_KEYS", SelectorPrefix: "DKIM_SELECTORS"}
	alone := New(cfg)
	cfg.Replicas = []string{replica.Address}
	s := New(cfg)
	k := signertest.Keys(t, 2)
	one, two := signertest.At("a.example", "s1", k[0]), signertest.At("a.example", "s2", k[1])
	activate(t, s, one)
	if got := d.SignsWith(t, "a.example", k...); got != one.Ref() {
		t.Fatalf("rspamd signs with %+v", got)
	}
	awaitCheck(t, s, "")
	awaitCheck(t, alone, "warning: replicas follow it (1)")

	replica.Do(t, "replicaof", "127.0.0.1", "1") // its primary is out of its reach; it goes on answering
	s.patience = time.Second
	err := s.Activate(t.Context(), []dkim.SigningKey{two})
	faulttest.Shown(t, err)
	signertest.WantCode(t, err, "", "master_link_status")
	if got := d.SignsWith(t, "a.example", k...); got != one.Ref() {
		t.Errorf("rspamd signs with %+v, as its replica says s1", got)
	}
	if active, err := s.Active(t.Context(), []string{"a.example"}); err == nil || len(active) > 0 {
		t.Errorf("it is taken to sign with %v", active)
	}
	awaitCheck(t, s, "it does not follow its primary now")
	replica.Do(t, "replicaof", "no", "one")
	awaitCheck(t, s, "this is no replica")

	replica.Do(t, "replicaof", "127.0.0.1", port)
	s.patience = time.Minute
	activate(t, s, two)
	if got := d.SignsWith(t, "a.example", k...); got != two.Ref() {
		t.Errorf("rspamd signs with %+v", got)
	}
	replica.Stop(t)
	err = s.Activate(t.Context(), []dkim.SigningKey{one})
	signertest.WantCode(t, err, "", "see whether Redis runs there")
}

// awaitCheck waits until the preflight says the words; that all is well for none.
func awaitCheck(t *testing.T, s *Signer, words string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		var said []string
		for _, a := range preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Questions: s.Check(nil)}},
			preflight.Usual) {
			if said = append(said, a.Found); a.Err != nil {
				said = append(said, a.Err.Error())
			}
		}
		all := strings.TrimSpace(strings.Join(said, " "))
		if words == "" && all == "" || words != "" && strings.Contains(all, words) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the check says %q; want %q", all, words)
		}
	}
}

// TestSentinel: a Sentinel is no place for keys and is refused by name. Where one watches the primary, it is said what
// that means; with the other servers named, no switch counts that a new primary does not show (I1, I2).
func TestSentinel(t *testing.T) {
	primary := signertest.StartRedis(t, nil)
	host, port, _ := net.SplitHostPort(primary.Address)
	replica := signertest.StartRedis(t, nil, "--replicaof", host, port)
	sentinel := signertest.StartSentinel(t, primary)

	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	wrong := config(sentinel)
	awaitCheck(t, New(wrong), "this is a Sentinel, which keeps no keys")
	signertest.WantCode(t, New(wrong).Activate(t.Context(), []dkim.SigningKey{key}), "", "it is a Sentinel", "address of the primary",
		"does not follow a failover")

	s := New(config(primary))
	awaitCheck(t, s, "Sentinel watches it and may make another server the primary")
	cfg := config(primary)
	cfg.Replicas = []string{replica.Address}
	named := New(cfg)
	activate(t, named, key)

	await(t, "the other server is the primary", func() bool {
		sentinel.Do(t, "sentinel", "failover", "mail") // it refuses while it does not know the replica, or is about it
		return replica.Says("master", "role")
	})
	await(t, "the first one follows it", func() bool { return primary.Says("slave", "role") })
	next := signertest.At("a.example", "s2", key.Key)
	signertest.WantCode(t, named.Activate(t.Context(), []dkim.SigningKey{next}), "", "primary")
	if active, err := named.Active(t.Context(), []string{"a.example"}); err != nil || active["a.example"] != key.Ref() {
		t.Errorf("after the failover: %v, %v", active, err)
	}
}

// TestUnknownCommand guards I9: Redis quotes the arguments of a command that it does not know, and one is the key.
func TestUnknownCommand(t *testing.T) {
	r := signertest.StartRedis(t, nil, "--rename-command", "hset", "")
	key := signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])
	err := New(config(r)).Activate(t.Context(), []dkim.SigningKey{key})
	signertest.WantCode(t, err, "", "unknown command 'hset'")
	if said := fault.Text(err) + fault.HintOf(err); strings.Contains(said, "PRIVATE KEY") || strings.Contains(said, "args") {
		t.Errorf("it says %q", said)
	}
}

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not so after two minutes: %s", what)
		}
	}
}
