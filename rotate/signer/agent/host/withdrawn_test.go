package host_test

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// TestWithdrawn: a host that was taken off a domain's list is not told to sign with a key that was destroyed, and it
// continues to report what it signs with. Another key that it is asked for stays asked for, and when it is listed again,
// it is asked again.
func TestWithdrawn(t *testing.T) {
	l := newLab(t)
	const other = "b.example"
	one, two := signertest.At(domain, "s1", l.keys[0]), signertest.At(other, "s1", l.keys[1])
	l.turn()
	l.want(one, two)
	gone := []dkim.Ref{one.Ref(), signertest.At(other, "s1", l.keys[2]).Ref()}
	if err := l.asks.Withdraw(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	wish := l.readWish()
	if _, asked := wish.Keys[domain]; asked || wish.Keys[other].KeyID != two.Ref().KeyID {
		t.Errorf("what is wanted is %+v", wish.Keys)
	}
	l.turns(2)
	l.says(domain, one)
	l.says(other, two)
	if err := l.asks.Withdraw(t.Context(), gone); err != nil || l.readWish().Sequence != wish.Sequence {
		t.Errorf("withdrawn twice: %v, wish %d after %d", err, l.readWish().Sequence, wish.Sequence)
	}
	next := signertest.At(domain, "s2", l.keys[3])
	l.want(next)
	l.says(domain, next)
}
