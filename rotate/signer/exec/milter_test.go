package exec

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// tables is a command that lets a real OpenDKIM sign with what it is given, and reloads it where RELOAD is
// set. It keeps no private keys: they stand in the directory before, one file for each selector.
const tables = `
set -eu
domain=$DKIMBOT_DOMAIN; selector=${DKIMBOT_SELECTOR:-}
case $DKIMBOT_ACTION in
activate)
	echo "k $domain:$selector:$DIR/keys/$selector.private" >$DIR/key.table
	echo "*@$domain k" >$DIR/signing.table
	echo "$selector" >$DIR/said
	$RELOAD
	;;
esac
[ ! -s "$DIR/said" ] || printf '{"active":{"%s":{"selector":"%s"}}}' "$domain" "$(cat $DIR/said)"
`

// proved is an exec signer beside a real OpenDKIM, which is asked, and the keys that it can be given.
func proved(t *testing.T, reload string) (*Signer, *signertest.OpenDKIM, []dkim.SigningKey) {
	t.Helper()
	d := signertest.StartOpenDKIM(t, "RequireSafeKeys no", "MultipleSignatures yes")
	var keys []dkim.SigningKey
	for i, key := range signertest.Keys(t, 2) {
		k := signertest.At("a.example", fmt.Sprint("s", i+1), key)
		file := filepath.Join(d.KeyDir, k.Selector+".private")
		if err := os.WriteFile(file, key.PEM(), 0o644); err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
	}
	text := strings.NewReplacer("$RELOAD", strings.ReplaceAll(reload, "PID", fmt.Sprint(d.PID)), "$DIR",
		d.Dir).Replace(tables)
	s := script(t, text, func(c *Config) { c.Milter, c.Timeout = d.Socket, 2*time.Minute })
	return s, d, keys
}

// TestMilterProves guards I1: a switch is confirmed by a signature of the milter, and what it signs with is
// believed, whatever the command says.
func TestMilterProves(t *testing.T) {
	s, d, keys := proved(t, "kill -USR1 PID")
	for _, k := range []dkim.SigningKey{keys[0], keys[1], keys[0]} {
		if err := s.Activate(t.Context(), []dkim.SigningKey{k}); err != nil {
			t.Fatal(err)
		}
		if got := d.Mail(t, "a.example").Selectors("a.example"); len(got) != 1 || got[0] != k.Selector {
			t.Errorf("mail is signed with %q, want %s", got, k.Selector)
		}
	}
	if err := os.WriteFile(filepath.Join(d.Dir, "said"), []byte("s2"), 0o644); err != nil {
		t.Fatal(err)
	}
	active, err := s.Active(t.Context(), []string{"a.example"})
	if err != nil || active["a.example"].Selector != "s1" {
		t.Errorf("the command says s2 and the milter signs with s1: active is %v, %v", active, err)
	}
	if err := os.WriteFile(d.KeyTable,
		fmt.Appendf(nil, "k a.example:s1:%[1]s/s1.private\nl a.example:s2:%[1]s/s2.private\n",
			d.KeyDir), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(d.SigningTable, []byte("*@a.example k\n*@a.example l\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	d.Restart(t)
	_, err = s.Active(t.Context(), []string{"a.example"})
	faulttest.Shown(t, err)
	if err == nil || !strings.Contains(err.Error(), "with the selectors s") {
		t.Errorf("the milter signs twice: %v", err)
	}
	d.Stop(t)
	_, err = s.Active(t.Context(), []string{"a.example"})
	faulttest.Shown(t, err)
	if err == nil || !strings.Contains(err.Error(), "it does not answer") {
		t.Errorf("the milter is down: %v", err)
	}
}

// TestMilterInterrupted: what is not proved when the time is up is said to be so, and not to have failed.
func TestMilterInterrupted(t *testing.T) {
	s, _, keys := proved(t, ":")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	faulttest.Shown(t, s.witness().Prove(ctx, keys[:1], map[string]error{}))
	_, err := s.witness().Seen(ctx, []string{"a.example"}, nil, nil)
	faulttest.Shown(t, err)
	failed := map[string]error{}
	if err := s.witness().Prove(t.Context(), []dkim.SigningKey{{Name: keys[0].Name}}, failed); err != nil {
		t.Error(err)
	}
	faulttest.Shown(t, failed["a.example"])
}

// TestMilterDisproves guards I1: a command that forgets the reload, or installs another key, has not switched.
func TestMilterDisproves(t *testing.T) {
	s, d, keys := proved(t, ":")
	s.cfg.Timeout = 3 * time.Second
	err := s.Activate(t.Context(), keys[:1])
	faulttest.Shown(t, err)
	if err == nil || !strings.Contains(err.Error(), "it let the message through unsigned") {
		t.Errorf("the reload was forgotten: %v", err)
	}
	d.Restart(t) // takes the tables up; now s1's file gets the key of s2
	if err := os.WriteFile(filepath.Join(d.KeyDir, "s1.private"), keys[1].Key.PEM(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Activate(t.Context(), keys[:1]); err == nil || !strings.Contains(err.Error(), "does not verify") {
		t.Errorf("another key signs: %v", err)
	}
	fetched := dkim.SigningKey{Name: keys[1].Name, Record: dkim.NewRecord(keys[1].Key.Public(), "").String()}
	if err := s.Activate(t.Context(), []dkim.SigningKey{fetched}); err == nil ||
		!strings.Contains(err.Error(), "it signs with selector s1") {
		t.Errorf("without a reload s2 can't sign: %v", err)
	}
}
