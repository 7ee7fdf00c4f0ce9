package kumomta

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestReads: what a data file has a domain signed with, as KumoMTA takes it; nothing is guessed (I1).
func TestReads(t *testing.T) {
	_, s := start(t, nil)
	if s.Lag() < 3*keeps {
		t.Errorf("the lag of %v is shorter than what KumoMTA keeps", s.Lag())
	}
	k := signertest.Keys(t, 1)[0]
	file := filepath.Join(filepath.Dir(s.cfg.File), "their.key")
	write(t, file, string(k.PEM()))
	own := "[base]\nadditional_signatures = ['own']\n[signature.own]\ndomain = 'B.Example'\n"
	for name, c := range map[string]struct {
		text, domain, selector string
		nokey, fails           bool
	}{
		"of its table":      {text: "[domain.'b.example']\nselector = 'W'\nfilename = 'F'\n", selector: "w"},
		"of the base":       {text: "[base]\nselector = 'w'\n[domain.'b.example']\nfilename = 'F'\n", selector: "w"},
		"no table":          {text: "[base]\nselector = 'w'\n"},
		"wildcard":          {text: "[domain.'*.c.example']\nselector = 'w'\nfilename = 'F'\n", domain: "x.y.c.example", selector: "w"},
		"not the wildcard":  {text: "[domain.'*.c.example']\nselector = 'w'\nfilename = 'F'\n", domain: "c.example"},
		"no file":           {text: "[domain.'b.example']\nselector = 'w'\n", selector: "w", nokey: true},
		"twice":             {text: own + "[domain.'b.example']\nselector = 'w'\nfilename = 'F'\n", fails: true},
		"in another's name": {text: own, domain: "c.example"},
		"only if missing": {text: own + "policy = 'OnlyIfMissingDomainBlock'\n[domain.'b.example']\nselector = 'w'\nfilename = 'F'\n",
			selector: "w"},
		"missing":  {text: own + "policy = 'OnlyIfMissingDomainBlock'\n", fails: true},
		"in Vault": {text: "[base]\nvault_mount = 'secret'\n[domain.'b.example']\nselector = 'w'\nfilename = 'F'\n", fails: true},
	} {
		write(t, s.cfg.File, strings.ReplaceAll(c.text, "'F'", "'"+file+"'"))
		if c.domain == "" {
			c.domain = "b.example"
		}
		want := dkim.Ref{Name: dkim.Name{Domain: c.domain, Selector: c.selector}, KeyID: k.ID()}
		if c.nokey {
			want.KeyID = ""
		}
		got, err := s.Active(t.Context(), []string{c.domain})
		if (err != nil) != c.fails || c.selector != "" && !c.nokey && got[c.domain] != want ||
			(c.selector == "" || c.nokey) && len(got) > 0 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if c.selector == "" {
			want = dkim.Ref{}
		}
		if d, err := s.say(); !c.fails && err == nil {
			if ref, err := s.signs(t.Context(), d, c.domain); err != nil || ref != want {
				t.Errorf("%s: %v, %v", name, ref, err)
			}
		}
	}
}

// TestValidateInterrupted guards I7: a check that is cut short puts the file back, and is tried again.
func TestValidateInterrupted(t *testing.T) {
	_, s := start(t, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	s.step = func(operation string) error {
		if operation == "rename dkimbot.toml" {
			cancel(errors.New("the time is up"))
		}
		return nil
	}
	s.cfg.Validate = []string{"sleep", "60"}
	began := time.Now()
	err := s.Activate(ctx, []dkim.SigningKey{signertest.At("a.example", "s1", signertest.Keys(t, 1)[0])})
	signertest.WantCode(t, err, "", "the time is up")
	if text := read(t, s.cfg.File); fault.KindOf(err) != fault.Transient || text != "" || time.Since(began) > time.Minute {
		t.Errorf("%v after %v; the file:\n%s", fault.KindOf(err), time.Since(began), text)
	}
}

// otherKeyThere guards I2: where another key stands in Vault at the selector, the file stays as it is; and a table
// without a filename is read where the file's own base says.
func otherKeyThere(t *testing.T, srv *vaulttest.Server, lent signer.Vault) {
	k := signertest.Keys(t, 2)
	kumo, s := startInVault(t, srv, lent)
	write(t, kumo.files[0], "")
	if err := s.put(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s1", k[1])}); err != nil {
		t.Fatal(err)
	}
	err := s.Signer.Activate(t.Context(), []dkim.SigningKey{signertest.At("a.example", "s1", k[0])})
	if text := read(t, s.cfg.File); err == nil || text != "" {
		t.Errorf("%v; the file:\n%s", err, text)
	}
	for prefix, id := range map[string]string{"dkim": k[1].ID(), "elsewhere": ""} {
		write(t, s.cfg.File, "[base]\nvault_path_prefix = '"+prefix+"'\n[domain.'a.example']\nselector = 's1'\n")
		d, err := s.say()
		ref, also := s.signs(t.Context(), d, "a.example")
		if err := errors.Join(err, also); err != nil || ref.KeyID != id {
			t.Errorf("%s: %v, %v", prefix, ref, err)
		}
	}
}
