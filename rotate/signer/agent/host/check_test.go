package host_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/preflight/preflighttest"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/host"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestMemory: what an agent remembers outlives it, and one directory is one agent's.
func TestMemory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "agent")
	m, err := host.OpenDirectory(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	memo, err := m.Load()
	if err != nil || memo.Instance == "" {
		t.Fatalf("%+v, %v", memo, err)
	}
	memo.Sequence = 7
	if err := m.Save(memo); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = host.OpenDirectory(ctx, dir)
	if err == nil || !strings.Contains(err.Error(), "lock") {
		t.Errorf("a second agent: %v", err)
	}
	m.Close()
	again := open(t, dir)
	if got, err := again.Load(); err != nil || !cmp.Equal(got, memo) {
		t.Errorf("%+v, %v; want %+v", got, err, memo)
	}
	again.Close()
	if err := host.CheckMemory(dir); err != nil {
		t.Errorf("a memory that is well: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "agent.json"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := host.CheckMemory(dir); err == nil || !strings.Contains(err.Error(), "read agent.json in "+dir) {
		t.Errorf("a damaged memory: %v", err)
	} else {
		faulttest.Shown(t, err)
	}
	damaged := open(t, dir)
	defer damaged.Close()
	if got, err := damaged.Load(); err != nil || got.Sequence != 0 || got.Instance == memo.Instance {
		t.Errorf("%+v, %v; want a new memory", got, err)
	}
	if kept, err := os.ReadFile(filepath.Join(dir, "agent.json.damaged")); err != nil || string(kept) != "x" {
		t.Errorf("of the damaged memory is kept %q, %v", kept, err)
	}
	if err := host.CheckMemory(filepath.Join(dir, "none")); err != nil {
		t.Errorf("no directory yet: %v", err)
	}
	_, err = host.OpenDirectory(t.Context(), "/proc/dkimbot")
	faulttest.Shown(t, err)
}

func open(t *testing.T, dir string) *host.Directory {
	t.Helper()
	m, err := host.OpenDirectory(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestCheck: who asks beforehand hears of the last report, of a clock that is wrong, and of an agent that is away.
func TestCheck(t *testing.T) {
	l := newLab(t)
	l.turn()
	l.want(signertest.At(domain, "s1", l.keys[0]))
	ask := func() []preflight.Answer {
		return preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Name: "mx1",
			Questions: l.asks.Check([]preflight.Subject{{Name: dkim.Name{Domain: domain, Selector: "s1"}}})}}, preflight.Usual)
	}
	l.now = l.now.Add(12 * time.Second)
	all := ask()
	if err := preflighttest.Wrong(all); err != nil || all[0].Found != "12s ago, by dkimbot test on host host one" ||
		all[1].Found != "differs from Vault's by 0s" {
		t.Errorf("%+v", all)
	}
	l.host.Now = func() time.Time { return l.now.Add(-10 * time.Minute) }
	l.turn()
	faulttest.Shown(t, ask()[1].Err)
	l.now = l.now.Add(time.Hour)
	all = ask()
	faulttest.Shown(t, all[0].Err)
	if !all[1].Unasked || !all[2].Unasked {
		t.Errorf("%+v", all)
	}
}

// TestCheckMayAsk guards I11: whether wishes may be written is asked without writing one, also before an agent has reported.
func TestCheckMayAsk(t *testing.T) {
	l := newLab(t)
	ask := func() error {
		for _, a := range preflight.Ask(t.Context(), []preflight.Part{{Kind: "signer", Questions: l.asks.Check(nil)}},
			preflight.Usual) {
			if strings.HasPrefix(a.What, "right to write") {
				return a.Err
			}
		}
		return errors.New("it is not asked")
	}
	if err := ask(); err != nil || l.page(agent.WishAt("mx1")).Version != 0 {
		t.Errorf("%v; version %d of the wish", err, l.page(agent.WishAt("mx1")).Version)
	}
	l.turn()
	l.want(signertest.At(domain, "s1", l.keys[0]))
	before := l.page(agent.WishAt("mx1"))
	if err := ask(); err != nil || l.page(agent.WishAt("mx1")).Version != before.Version {
		t.Errorf("%v; version %d of the wish", err, l.page(agent.WishAt("mx1")).Version)
	}
	refused := &fault.Error{Kind: fault.Permanent, Code: codes.VaultForbidden, What: "write mx1/wish in Vault",
		Err: errors.New("answer 403"), Hint: "the policy must allow it"}
	l.asks.Through(lossy{l.board, refused, false})
	if err := ask(); fault.CodeOf(err) != codes.VaultForbidden {
		t.Errorf("got %v", err)
	}
	alone, err := agent.New(agent.Config{Name: "mx1", Agent: "mx1", SilentAfter: time.Minute, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	l.asks.Signer = alone // no Vault is open
	faulttest.Shown(t, ask())
}
