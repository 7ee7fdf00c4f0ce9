package engine_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/fault"
)

// TestRefusingAccountKeepsNoSigner: a DNS account that refuses writes keeps no signer on a compromised key where going
// makes nothing worse: the account shows neither key, or the key is revoked at once as was ordered. The other account
// is written to, and the refusing one when it works again.
func TestRefusingAccountKeepsNoSigner(t *testing.T) {
	const s1, s2 = "s1._domainkey.example.com", "s2._domainkey.example.com"
	for _, c := range []struct {
		name  string
		lacks []string // at the account that refuses
		order rotate.Compromised
		away  bool // signers leave
		fresh bool // the standby's key is being replaced, and its fresh record is refused, too
	}{
		{"it shows neither", []string{s1, s2}, rotate.Compromised{}, true, false},
		{"it shows the compromised one", []string{s2}, rotate.Compromised{}, false, false},
		{"it shows the compromised one, revoke now", []string{s2}, rotate.Compromised{RevokeNow: true}, true, false},
		{"the other one is being replaced", nil, rotate.Compromised{}, false, true},
		{"the other one is being replaced, revoke now", nil, rotate.Compromised{RevokeNow: true}, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			w.lag = 0
			w.settle(d)
			w.pass(8 * day)
			d.Also = []string{"new"}
			second := &secondAccount{shown: map[string]string{}}
			w.both(second).Advance(t.Context(), d)
			w.pass(8 * day)
			refuses := fault.Temporary("publish through new", errors.New("REFUSED"), "")
			to, from := "s2", s1
			if c.fresh {
				d.Asked = true
				w.both(second).Advance(t.Context(), d)
				d.Asked = false
				w.pass(7*day + time.Hour)
				to, from, second.down = "s1", s2, refuses
				if res := w.both(second).Advance(t.Context(), d); res.State.Phase != rotate.Replacing {
					t.Fatalf("phase %s: %v", res.State.Phase, res.Err)
				}
			}
			for _, name := range c.lacks {
				delete(second.shown, name)
			}
			second.down = refuses
			ordered, stolen := d, w.shown(from)[0]
			ordered.Instruction = c.order
			res := w.both(second).Advance(t.Context(), ordered)
			if !strings.Contains(fault.Text(res.Err), "office took the record; new did not confirm it") {
				t.Errorf("it says %s", fault.Text(res.Err))
			}
			for range 2 { // a run tries again, which does not put off what signers wait for
				w.pass(31 * time.Minute)
				res = w.both(second).Advance(t.Context(), d)
			}
			for _, name := range d.Signers {
				if got := w.hosts[name].selector(d.Name); (got == to) != c.away {
					t.Errorf("%s signs with %q; %v", name, got, res.Err)
				}
			}
			if gone := w.shown(from)[0] != stolen; gone != c.away {
				t.Errorf("%s is revoked or replaced at the first account: %t", from, gone)
			}
			second.down = nil
			for range 3 {
				w.pass(61 * time.Minute)
				res = w.both(second).Advance(t.Context(), d)
			}
			w.checkReady(d, to)
			for _, name := range []string{s1, s2} {
				if w.shown(name)[0] != second.shown[name] {
					t.Errorf("%s: the accounts show %q and %q", name, w.shown(name)[0], second.shown[name])
				}
			}
		})
	}
}
