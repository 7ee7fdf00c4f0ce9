package host_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestAstrayThenGone guards I10: where the other host signed with the key before when it was heard last, the drain begins
// again when it is said to be gone, also for a switch that was complete before.
func TestAstrayThenGone(t *testing.T) {
	l := newLab(t)
	l.turn()
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(one)
	clone := l.clone()
	l.want(two)
	clone.Signer.(*table).fails[domain] = errors.New("its disk is full")
	l.takes(clone)
	l.turns(7)
	l.waits(domain, "still sign with s1")
	_, err := l.asks.Active(t.Context(), []string{domain})
	l.dismiss(named(t, err)...)
	for range 3 {
		l.former(domain, "s1")
		if here, err := l.asks.Hosts(t.Context(), []string{domain, "b.example"}); err != nil || len(here) != 1 || here[domain] != two.Ref() {
			t.Errorf("of the host that is left it says %+v, %v", here, err)
		}
		l.turn()
	}
	l.want(two)
	l.says(domain, two)
	if here, err := l.asks.Hosts(t.Context(), []string{domain}); err != nil || len(here) != 0 {
		t.Errorf("in the end it says %+v, %v", here, err)
	}
}

// TestGoneHidesNothing guards I2: where a host is gone, what the one that is left signs with is told as it is.
func TestGoneHidesNothing(t *testing.T) {
	l := newLab(t)
	l.turn()
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(two)
	l.takes(l.newHost("two"))
	l.refuses(one)
	l.turns(7)
	l.dismiss("two")
	l.former(domain, "s2")
	own := signertest.At(domain, "own", l.keys[2])
	l.table.signs[domain] = own.Ref()
	l.turn()
	l.says(domain, own)
}

// TestUnheardMayUse guards I2: a host that had taken up what is wanted and is not heard of any more may sign with it,
// also when somebody lets the one that reports sign with something else.
func TestUnheardMayUse(t *testing.T) {
	l := newLab(t)
	l.turn()
	one := signertest.At(domain, "s1", l.keys[0])
	l.want(one)
	if _, err := l.asks.Hosts(t.Context(), nil); err != nil {
		t.Error(err)
	}
	l.takes(l.newHost("two"))
	l.turns(7)
	own := signertest.At(domain, "own", l.keys[2])
	l.table.signs[domain] = own.Ref()
	l.turn()
	l.says(domain, own) // as it is: a managed domain is brought back
	_, err := l.asks.Hosts(t.Context(), nil)
	faulttest.Shown(t, err)
	if fault.CodeOf(err) != codes.AgentLost {
		t.Errorf("got %v", err)
	}
	l.dismiss(named(t, err)...)
	if _, err := l.asks.Hosts(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

// TestGoneAndVaultRestored guards I2: a wish from a Vault that was restored hides nothing of what signs, neither before
// nor after the coordinator has asked for another domain's key.
func TestGoneAndVaultRestored(t *testing.T) {
	l := newLab(t)
	l.turn()
	b := func(s string, k int) dkim.SigningKey { return signertest.At("b.example", s, l.keys[k]) }
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(two, b("s1", 0))
	l.want(one)
	backup, wish := ofHost(l.host).memo, l.page(agent.WishAt("mx1"))
	l.want(two) // so the coordinator believes
	l.board.Put(agent.WishAt("mx1"), wish)
	l.turns(2)
	l.table.signs[domain], ofHost(l.host).memo = one.Ref(), backup // the host comes back from a backup, too
	l.turns(7)
	l.dismiss("one")
	l.former(domain, "s1")
	l.want(b("s2", 1))
	got, err := l.asks.Active(t.Context(), []string{domain})
	if err != nil || got[domain].Selector == "s2" {
		t.Errorf("the coordinator knows %+v, %v; the host signs with s1", got, err)
	}
	l.want(two)
	l.says(domain, two)
}

// page returns what stands on the board.
func (l *lab) page(path string) agent.Page {
	l.Helper()
	page, err := l.board.Read(l.Context(), path)
	if err != nil {
		l.Fatal(err)
	}
	return page
}

// TestGoneComesBack: a host that was said to be gone and is not counts anew.
func TestGoneComesBack(t *testing.T) {
	l := newLab(t)
	l.turn()
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(one)
	other := l.newHost("two")
	l.takes(other)
	l.turns(7)
	l.dismiss("two")
	l.want(two)
	l.takes(other)
	l.turn()
	l.waits(domain, "several hosts")
	l.turns(7)
	err := l.refuses(signertest.At(domain, "s1", l.keys[2]))
	if names := named(t, err); slices.Equal(names, []string{"two"}) {
		t.Errorf("it is still called %q", names)
	}
	l.dismiss(named(t, err)...)
	l.want(signertest.At(domain, "s1", l.keys[2]))
}

// TestWrongOneGone: to call the host gone that is left does no harm, and the check says so.
func TestWrongOneGone(t *testing.T) {
	l := newLab(t)
	l.turn()
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(domain, "s2", l.keys[1])
	l.want(one)
	l.dismiss("one")
	err := l.checked()
	if faulttest.Shown(t, err); err == nil || !strings.Contains(err.Error(), "stop waiting for host host one (one) of agent mx1") {
		t.Errorf("the check says %v", err)
	}
	l.takes(l.newHost("two"))
	l.turns(7)
	faulttest.Shown(t, l.checked())
	l.dismiss("one", "two")
	l.refuses(two) // for some turns there seem to be two
	l.turns(7)
	l.want(two)
	l.says(domain, two)
	l.want(one)
}
