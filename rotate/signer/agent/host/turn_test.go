package host_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// reloading is a signer that asks at each switch what its other domains were switched to.
type reloading struct {
	*table
	know  func(context.Context) (map[string]dkim.Ref, error)
	knows map[string]dkim.Ref // at the last switch
}

func (s *reloading) KnowOthers(know func(context.Context) (map[string]dkim.Ref, error)) {
	s.know = know
}

func (s *reloading) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	s.knows, _ = s.know(ctx)
	return s.table.Activate(ctx, keys)
}

// TestOthersThroughAReload guards I1: the signer hears what its other domains were switched to, so that a reload takes
// nothing from them, and nothing of those that a change is under way for.
func TestOthersThroughAReload(t *testing.T) {
	l := newLab(t)
	s := &reloading{table: l.table, know: func(context.Context) (map[string]dkim.Ref, error) { return nil, nil }}
	l.host.Signer = s
	l.turn()
	a, b, c := signertest.At("a.example", "s1", l.keys[0]), signertest.At("b.example", "s1", l.keys[1]),
		signertest.At("c.example", "s1", l.keys[2])
	l.want(a)
	l.table.fails["b.example"] = errors.New("its table is damaged")
	l.refuses(b)
	l.want(c)
	if want := map[string]dkim.Ref{"a.example": a.Ref()}; !maps.Equal(s.knows, want) {
		t.Errorf("of its other domains it knows %v, want %v", s.knows, want)
	}
}

// keeping is a signer that does not forget a key, as one whose table can't be locked.
type keeping struct {
	*table
	failing error
	forgot  []dkim.Ref
}

func (s *keeping) Forget(_ context.Context, keys []dkim.Ref) error {
	if s.failing != nil {
		return s.failing
	}
	s.forgot = append(s.forgot, keys...)
	return nil
}

// puts writes a wish as somebody else could.
func (l *lab) puts(change func(*agent.Wish)) {
	l.Helper()
	w, page := l.readWish(), l.page(agent.WishAt("mx1"))
	w.Sequence++
	change(&w)
	text, err := agent.Text(w)
	if err != nil {
		l.Fatal(err)
	}
	page.Text, page.Version = text, page.Version+1
	l.board.Put(agent.WishAt("mx1"), page)
}

// TestForgetsWhatIsSure guards I1: a key's copies go when it is sure that nothing uses the key and that the domain is the
// agent's own. Else it is kept, reported as kept, and forgotten later.
func TestForgetsWhatIsSure(t *testing.T) {
	l := newLab(t)
	s := &keeping{table: l.table}
	l.host.Signer, l.host.Domains = s, []string{domain}
	l.turn()
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	other := signertest.At("b.example", "s1", l.keys[2])
	order := func(k dkim.SigningKey) {
		t.Helper()
		l.puts(func(w *agent.Wish) {
			w.Forget = append(w.Forget, agent.Forgotten{Domain: k.Domain, Selector: k.Selector, KeyID: k.Ref().KeyID,
				Sequence: w.Sequence})
		})
	}
	keeps := func(what string, r agent.Report, k dkim.SigningKey) {
		t.Helper()
		if len(s.forgot) > 0 || !slices.Contains(r.Kept, k.Ref().KeyID) {
			t.Errorf("%s: forgotten are %v, kept %v", what, s.forgot, r.Kept)
		}
	}
	l.want(one)
	l.table.fails[domain] = errors.New("its disk is full")
	l.refuses(two)
	order(two)
	keeps("a key that is wanted and does not sign yet", l.turn(), two)
	order(other)
	keeps("of a domain that is not its own", l.turn(), other)
	delete(l.table.fails, domain)
	l.turn()

	order(one)
	s.failing = fault.Temporary("forget", errors.New("the table is locked"), "wait")
	keeps("it can't be forgotten", l.turn(), one)
	page := l.page(agent.WishAt("mx1"))
	garbled := page
	garbled.Text = []byte(`{"a":1}`)
	l.board.Put(agent.WishAt("mx1"), garbled)
	keeps("nothing can be taken up", l.turn(), one)
	l.board.Put(agent.WishAt("mx1"), page)
	s.failing = nil
	l.host.Signer = mute{s}
	keeps("the signer does not say what it uses", l.turn(), one)
	l.host.Signer = s
	if l.turn(); !slices.Contains(s.forgot, one.Ref()) {
		t.Errorf("forgotten are %v", s.forgot)
	}
}

// mute is a signer that does not say what it signs with.
type mute struct{ *keeping }

func (mute) Active(_ context.Context, domains []string) (map[string]dkim.Ref, error) {
	failed := map[string]error{}
	for _, d := range domains {
		failed[d] = errors.New("its table can't be read")
	}
	return nil, signer.Partial(failed, len(domains))
}

// interposed is a board on which somebody else writes just before the agent does, once.
type interposed struct {
	agent.Board
	first func()
}

func (b *interposed) Write(ctx context.Context, path string, text []byte, after int) (int, error) {
	if first := b.first; first != nil {
		b.first = nil
		first()
	}
	return b.Board.Write(ctx, path, text, after)
}

// TestReportsAtOnce guards I2: of two hosts that report at the same instant, the second one reports after the first, and
// names it; also where one is a copy of the other.
func TestReportsAtOnce(t *testing.T) {
	for what, other := range map[string]func(*lab) func(){
		"another host": func(l *lab) func() { h := l.newHost("two"); return func() { l.takes(h) } },
		"a copy":       func(l *lab) func() { h := l.clone(); return func() { l.takes(h) } },
	} {
		l := newLab(t)
		l.turn()
		l.want(signertest.At(domain, "s1", l.keys[0]))
		l.host.Board = &interposed{l.board, other(l)}
		if r := l.turn(); len(r.Others) != 1 {
			t.Errorf("%s: the report names %+v", what, r.Others)
		}
		l.waits(domain, "several hosts")
		if err := l.checked(); err != nil && !strings.Contains(err.Error(), "several hosts") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestCompletesItsTurn guards I7: a turn that has begun when the agent is told to end is completed and reported.
func TestCompletesItsTurn(t *testing.T) {
	l := newLab(t)
	one := signertest.At(domain, "s1", l.keys[0])
	l.host.Keys.(*ring).put(one)
	l.puts(func(w *agent.Wish) {
		w.Keys = map[string]agent.Wanted{domain: {Selector: "s1", KeyID: one.Ref().KeyID, Sequence: w.Sequence}}
	})
	ctx, stop := context.WithCancel(t.Context())
	l.table.during = stop
	turns := 0
	l.host.Run(ctx, func(_ agent.Report, err error) {
		if turns++; err != nil {
			t.Error(err)
		}
	})
	if l.says(domain, one); turns != 1 {
		t.Errorf("%d turns", turns)
	}
}

// TestPausesAfterSuccess: pauses that have grown while Vault was away are as short as before when it is back.
func TestPausesAfterSuccess(t *testing.T) {
	l := newLab(t)
	l.host.Poll = time.Millisecond
	l.board.Down(errors.New("sealed"))
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	turns := 0
	l.host.Run(ctx, func(agent.Report, error) {
		switch turns++; turns {
		case 3:
			l.board.Down(nil)
		case 60:
			stop()
		}
	})
	if turns != 60 {
		t.Errorf("%d turns in half a minute", turns)
	}
}

// TestRemembersOnce: what is remembered already is not written again, and a memory without a name is none.
func TestRemembersOnce(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "agent.json")
	if err := os.WriteFile(file, []byte(`{"sequence":3}`), 0o600); err != nil {
		t.Fatal(err)
	}
	m := open(t, dir)
	defer m.Close()
	memo, err := m.Load()
	if err != nil || memo.Instance == "" || memo.Sequence != 0 {
		t.Fatalf("%+v, %v", memo, err)
	}
	was, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Save(memo); err != nil {
		t.Fatal(err)
	}
	if is, err := os.Stat(file); err != nil || !os.SameFile(was, is) {
		t.Errorf("it was written again: %v", err)
	}
	memo.Sequence++
	if err := m.Save(memo); err != nil {
		t.Fatal(err)
	}
	if is, err := os.Stat(file); err != nil || os.SameFile(was, is) {
		t.Errorf("it was not written: %v", err)
	}
}
