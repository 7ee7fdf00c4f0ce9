package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	msgauth "github.com/emersion/go-msgauth/dkim"

	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	ns "github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// signingToday is a lab in which a real OpenDKIM signs mail of example.test with
// the selector mail, as its operator set it up, and BIND shows the record.
type signingToday struct {
	*lab
	daemon *signertest.OpenDKIM
	names  *ns.Server
	key    *dkim.PrivateKey
	file   string
}

func newSigningToday(t *testing.T) *signingToday {
	t.Helper()
	s := &signingToday{daemon: signertest.StartOpenDKIM(t), key: signertest.Keys(t, 1)[0]}
	s.lab, s.names = bindLab(t, []string{"example.test"},
		ns.Zone{Name: "example.test", Records: "mail._domainkey " + zoneText(s.key) + "\n"})
	s.file = filepath.Join(s.daemon.KeyDir, "mail.private")
	must(t, os.WriteFile(s.file, s.key.PEM(), 0o600))
	info, err := os.Stat(s.daemon.KeyDir)
	must(t, err)
	owner := info.Sys().(*syscall.Stat_t)
	must(t, os.Chown(s.file, int(owner.Uid), int(owner.Gid)))
	must(t, os.WriteFile(s.daemon.KeyTable, []byte("mail._domainkey.example.test example.test:mail:"+s.file+"\n"), 0o644))
	must(t, os.WriteFile(s.daemon.SigningTable, []byte("*@example.test mail._domainkey.example.test\n"), 0o644))
	s.daemon.Restart(t)
	s.Signer = fmt.Sprintf("driver: opendkim\nkey_dir: %s\nkey_table: %s\nsigning_table: refile:%s\nreload: "+
		"[kill, -USR1, %q]\nmilter: %q\nlag: 1ms",
		s.daemon.KeyDir, s.daemon.KeyTable, s.daemon.SigningTable, strconv.Itoa(s.daemon.PID), s.daemon.Socket)
	s.write(t)
	return s
}

// zoneText is a key's record as a zone file has it.
func zoneText(key *dkim.PrivateKey) string {
	var b strings.Builder
	b.WriteString("TXT")
	for _, part := range dkim.Strings(dkim.NewRecord(key.Public(), "").String()) {
		fmt.Fprintf(&b, " %q", part)
	}
	return b.String()
}

// mailing runs dkimbot while mail is sent all the time. Each message must be signed
// once, and verify with what DNS shows (I1, I2). It returns the selectors in the
// order in which they were used.
func (s *signingToday) mailing(t *testing.T, code int, args ...string) (used []string, said string) {
	t.Helper()
	cmd := s.command(args...)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	must(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		if selector := s.mail(t); len(used) == 0 || used[len(used)-1] != selector {
			used = append(used, selector)
		}
		select {
		case <-ended:
			result{strings.Join(cmd.Args, " "), cmd.ProcessState.ExitCode(), out.String(), ""}.want(t, code)
			if last := s.mail(t); last != used[len(used)-1] {
				used = append(used, last)
			}
			return used, out.String()
		default:
		}
	}
}

// mail sends one message and returns the selector that signed it.
func (s *signingToday) mail(t *testing.T) string {
	t.Helper()
	answer := s.daemon.Mail(t, "example.test")
	if answer.Refused || len(answer.Signatures) != 1 || answer.Signatures[0].Domain != "example.test" {
		t.Fatalf("I1: %v; want one signature", answer)
	}
	sig := answer.Signatures[0]
	found, err := msgauth.VerifyWithOptions(strings.NewReader(sig.Message), &msgauth.VerifyOptions{
		LookupTXT: func(name string) ([]string, error) { return s.names.Query(t, name, "TXT"), nil },
	})
	if err != nil || len(found) != 1 || found[0].Err != nil {
		t.Fatalf("I2: a message signed with %s does not verify: %v, %+v", sig.Selector, err, found)
	}
	return sig.Selector
}

// A domain that OpenDKIM signs with a selector of its own is moved over: no message
// is unsigned or fails meanwhile, and the old lines, key and record stay.
func TestMoveOver(t *testing.T) {
	t.Parallel()
	s := newSigningToday(t)
	s.run(t, "plan").want(t, 0, "mail through mx1 is signed with mail today", "leave mail._domainkey.example.test in DNS")
	used, said := s.mailing(t, 0, "rotate", "--domain", "example.test", "--wait")
	if !slices.Equal(used, []string{"mail", "s1"}) {
		t.Errorf("mail was signed with %q, one after the other", used)
	}
	if !strings.Contains(said, "mail._domainkey.example.test may go after ") {
		t.Errorf("nothing is said of the old record:\n%s", said)
	}
	s.run(t, "status").want(t, 0, "mail._domainkey.example.test may go after")
	if got := s.names.Query(t, "mail._domainkey.example.test", "TXT"); len(got) != 1 ||
		got[0] != dkim.NewRecord(s.key.Public(), "").String() {
		t.Errorf("I6: the old record is %q", got)
	}
	table, err := os.ReadFile(s.daemon.SigningTable)
	must(t, err)
	if !strings.HasSuffix(string(table), "\n*@example.test mail._domainkey.example.test\n") {
		t.Errorf("I6: the signing table holds\n%s", table)
	}
	if _, err := os.Stat(s.file); err != nil {
		t.Errorf("I6: the old key file: %v", err)
	}
}

// A key in use is adopted, from OpenDKIM's own tables: the same key continues to sign,
// and the next rotations replace it like any other, without a gap.
func TestAdoptInUse(t *testing.T) {
	t.Parallel()
	s := newSigningToday(t)
	s.run(t, "adopt", "--domain", "example.test", "--from-opendkim", "file:"+s.daemon.KeyTable, "--signing-table",
		"refile:"+s.daemon.SigningTable).
		want(t, 3, "names the selectors s1 and s2", "selectors: [mail, s2]")
	s.Policy += "\nselectors: [mail, s2]"
	s.write(t)
	used, said := s.mailing(t, 0, "adopt", "--domain", "example.test", "--from-opendkim", "file:"+s.daemon.KeyTable,
		"--signing-table", "refile:"+s.daemon.SigningTable)
	if !slices.Equal(used, []string{"mail"}) {
		t.Errorf("mail was signed with %q, one after the other", used)
	}
	if !strings.Contains(said, "phase ready") || !strings.Contains(said, s.file+" is a copy of the key") {
		t.Errorf("it said\n%s", said)
	}
	if st := s.status(t, "example.test"); st.Selectors["mail"].KeyID != s.key.ID() || *st.Active != "mail" {
		t.Errorf("status: %+v", st)
	}
	if ref := s.daemon.SignsWith(t, "example.test", s.key); ref.KeyID != s.key.ID() {
		t.Errorf("the daemon signs with %+v", ref)
	}
	s.run(t, "plan", "--detailed-exitcode").want(t, 0)

	for _, table := range []string{s.daemon.KeyTable, s.daemon.SigningTable} { // the operator tidies up
		text, err := os.ReadFile(table)
		must(t, err)
		_, theirs, _ := strings.Cut(string(text), "# END dkimbot\n")
		must(t, os.WriteFile(table, []byte(strings.TrimSuffix(string(text), theirs)), 0o644))
	}
	must(t, os.Remove(s.file))
	for _, to := range []string{"s2", "mail"} {
		var all []string
		eventually(t, "a rotation to "+to, func() bool {
			used, _ := s.mailing(t, 0, "rotate", "--domain", "example.test", "--wait")
			all = slices.Compact(append(all, used...))
			return all[len(all)-1] == to
		})
		if len(all) != 2 {
			t.Errorf("mail was signed with %q, one after the other", all)
		}
	}
	if st := s.status(t, "example.test"); st.Selectors["mail"].KeyID == s.key.ID() {
		t.Error("I5: the adopted key was never replaced")
	}
}

// Keys that rspamd and KumoMTA keep in Vault are adopted from there; their secrets
// are left alone.
func TestAdoptFromVault(t *testing.T) {
	t.Parallel()
	l := newLab(t, "one.test", "two.test", "three.test")
	server := l.withVault(t)
	l.Policy += "\nselectors: [mail, s2]"
	keys := signertest.Keys(t, 2)
	for i, d := range []string{"one.test", "two.test"} {
		l.zone(t, d, "mail._domainkey "+zoneText(keys[i])+"\n")
	}
	l.write(t)
	put(t, server, "rspamd/one.test", map[string]any{"selectors": []any{
		map[string]any{"selector": "mail", "domain": "one.test", "key": string(keys[0].PEM()), "alg": "rsa", "bits": 2048},
		map[string]any{"selector": "past", "domain": "one.test", "key": "?", "valid_end": 1},
	}})
	put(t, server, "kumo/two.test/mail", map[string]any{"key": string(keys[1].PEM())})
	rspamd := []string{"adopt", "--domain", "one.test", "--from-vault", "secret/rspamd", "--layout",
		"rspamd", "--active", "mail"}
	kumomta := []string{"adopt", "--domain", "two.test", "--from-vault", "secret/kumo/", "--layout",
		"kumomta", "--active", "mail"}
	l.run(t, append(rspamd, "--dry-run")...).want(t, 0, "adopt     keystore, mail._domainkey.one.test")
	for i, args := range [][]string{rspamd, kumomta} {
		r := l.run(t, args...).want(t, 0, "done mail: key "+keys[i].ID()[:12]+" was adopted", "phase ready")
		if strings.Contains(r.out+r.stderr, "PRIVATE") {
			t.Error("I9: a private key was printed")
		}
	}
	l.run(t, kumomta...).want(t, 0)
	l.run(t, "adopt", "--domain", "three.test", "--from-vault", "secret/rspamd", "--layout", "rspamd").want(t, 3,
		"there is none for it in secret/rspamd")
	l.run(t, "adopt", "--domain", "two.test", "--from-vault", "secret/kumo/two.test", "--layout", "rspamd").want(t, 3,
		"there is none")
	l.run(t, "adopt", "--domain", "two.test", "--from-vault", "nowhere/kumo", "--layout", "kumomta").want(t, 1,
		"nowhere/kumo", "hint: ")
	for _, d := range []string{"one.test", "two.test"} {
		l.wantSound(t, d)
	}
	theirs, err := server.Root().KVv2("secret").GetMetadata(t.Context(), "kumo/two.test/mail")
	if err != nil || theirs.CurrentVersion != 1 {
		t.Errorf("I6: KumoMTA's secret was changed: %+v, %v", theirs, err)
	}
}

func put(t *testing.T, server *vaulttest.Server, path string, data map[string]any) {
	t.Helper()
	_, err := server.Root().KVv2("secret").Put(t.Context(), path, data)
	must(t, err)
}
