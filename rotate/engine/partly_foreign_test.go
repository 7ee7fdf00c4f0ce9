package engine_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

// onBoth returns a domain of two DNS accounts, each of which shows both records, and s1 signs.
func (w *world) onBoth(t *testing.T, d *wish) *secondAccount {
	w.Helper()
	w.settle(*d)
	w.pass(8 * day)
	d.Also = []string{"new"}
	second := &secondAccount{shown: map[string]string{}, theirs: map[string]string{}}
	if res := w.both(second).Advance(t.Context(), *d); res.Err != nil || res.State.Phase != rotate.Ready {
		w.Fatalf("%v, phase %s", res.Err, res.State.Phase)
	}
	w.pass(8 * day)
	return second
}

func nameAt(selector string) string { return selector + "._domainkey.example.com" }

// TestRevokedWhereItStandsAlone: somebody else's record at one of two DNS accounts keeps a compromised key from being
// revoked there, in the place of dkimbot's own or beside it, and not at the other one. The error and the drift say where
// the key still shows. What is not dkimbot's stays (I6); when it is gone, the rest is done.
func TestRevokedWhereItStandsAlone(t *testing.T) {
	for _, selector := range []string{"s1", "s2"} {
		for _, now := range []bool{false, true} {
			for _, beside := range []bool{false, true} {
				w, d := newWorld(t, "mx1"), wanted("mx1")
				second := w.onBoth(t, &d)
				at := nameAt(selector)
				second.theirs[at] = plantest.ForeignRecord
				if !beside {
					delete(second.shown, at)
				}
				advance := func() rotate.State {
					res := w.both(second).Advance(t.Context(), d)
					if fault.CodeOf(res.Err) != codes.ForeignRecord {
						t.Errorf("%s, beside %t: %v", selector, beside, res.Err)
					}
					for _, what := range []string{"revoke " + at, "new holds a record that dkimbot did not make"} {
						if !strings.Contains(res.Err.Error(), what) {
							t.Errorf("%s, beside %t: %v does not say %q", selector, beside, res.Err, what)
						}
					}
					return res.State
				}
				d.Instruction = rotate.Compromised{Selectors: []string{selector}, RevokeNow: now}
				st := advance()
				d.Instruction = nil
				if got := w.shown(at)[0]; !dkim.RevokedValue(got) || second.theirs[at] != plantest.ForeignRecord {
					t.Errorf("%s, beside %t: the first account shows %q, the second %q", selector, beside, got, second.theirs[at])
				}
				w.signsWith(d, map[string]string{"s1": "s2", "s2": "s1"}[selector])
				says := slices.ContainsFunc(st.Drift, func(f finding.Finding) bool {
					return f.Selector == selector && strings.Contains(f.Message, "ns.new, ns2 still shows the compromised key")
				})
				if says != beside || st.Selectors[selector].Key.RevokedAt.IsZero() {
					t.Errorf("%s, beside %t: %+v", selector, beside, st.Drift)
				}
				delete(second.theirs, at)
				w.pass(time.Hour)
				for range 3 {
					w.both(second).Advance(t.Context(), d)
					w.pass(8 * day)
				}
				if st = w.state(d.Name); st.Emergency() || second.shown[at] != st.Selectors[selector].Key.Record || st.Failures > 0 {
					t.Errorf("%s, beside %t: when it is gone: %s, phase %s, %q", selector, beside, st.LastError, st.Phase, second.shown[at])
				}
			}
		}
	}
}

// TestLeftWhereItIsForeignAtOne: one of two DNS accounts shows somebody else's record at the active selector. The hourly
// check and a rotation that is asked for both have the signers leave for the other selector, which is good everywhere;
// nothing is written (I2, I6).
func TestLeftWhereItIsForeignAtOne(t *testing.T) {
	for _, asked := range []bool{false, true} {
		for _, beside := range []bool{false, true} {
			w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
			second := w.onBoth(t, &d)
			second.theirs[nameAt("s1")] = plantest.ForeignRecord
			if !beside {
				delete(second.shown, nameAt("s1"))
			}
			d.Asked = asked
			res := w.both(second).Advance(t.Context(), d)
			w.signsWith(d, "s2")
			if fault.CodeOf(res.Err) != codes.ForeignRecord || res.State.Phase != rotate.Draining {
				t.Errorf("asked %t, beside %t: %v, phase %s", asked, beside, res.Err, res.State.Phase)
			}
			d.Asked = false
			delete(second.theirs, nameAt("s1"))
			for range 3 {
				w.pass(8 * day)
				res = w.both(second).Advance(t.Context(), d)
			}
			if res.Err != nil || res.State.Phase != rotate.Ready {
				t.Errorf("when it is gone: %v, phase %s", res.Err, res.State.Phase)
			}
		}
	}
}

// TestTargetIsForeignAtOne: while signers are being switched, one of two DNS accounts shows somebody else's record at the
// target. The signer that has switched goes back to the selector that is good everywhere (I2).
func TestTargetIsForeignAtOne(t *testing.T) {
	w, d := newWorld(t, "mx1", "mx2"), wanted("mx1", "mx2")
	second := w.onBoth(t, &d)
	w.trouble = failing("activate mx2")
	d.Asked = true
	w.both(second).Advance(t.Context(), d)
	d.Asked, w.trouble = false, nil
	second.theirs[nameAt("s2")] = plantest.ForeignRecord
	w.pass(time.Hour)
	if res := w.both(second).Advance(t.Context(), d); fault.CodeOf(res.Err) != codes.ForeignRecord {
		t.Error(res.Err)
	}
	w.signsWith(d, "s1")
}

// TestPublishedWhereNothingStands: the active record is missing at one DNS account while the other one shows somebody
// else's. It is published where nothing stands, so that mail verifies there (I2, I6).
func TestPublishedWhereNothingStands(t *testing.T) {
	w, d := newWorld(t, "mx1"), wanted("mx1")
	second := w.onBoth(t, &d)
	own := second.shown[nameAt("s1")]
	second.theirs[nameAt("s1")] = plantest.ForeignRecord
	delete(second.shown, nameAt("s1"))
	second.theirs[nameAt("s2")] = plantest.ForeignRecord
	w.spoil("s1", "")
	res := w.both(second).Advance(t.Context(), d)
	if got := w.shown(nameAt("s1"))[0]; got != own || second.theirs[nameAt("s1")] != plantest.ForeignRecord {
		t.Errorf("the first account shows %q", got)
	}
	if fault.CodeOf(res.Err) != codes.ForeignRecord || !strings.Contains(res.Err.Error(), "new holds one that dkimbot did not make") {
		t.Error(res.Err)
	}
	w.signsWith(d, "s1")
}
