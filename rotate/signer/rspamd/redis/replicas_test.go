package redis

import (
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
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
