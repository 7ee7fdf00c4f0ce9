package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/approval"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/engine"
)

// TestAnything lets anything happen, in any order: processes are killed anywhere
// and meet each other, operations fail, lose their answers or come late, signers
// come, go and return from backups, records vanish and come back, the policy
// changes, time passes. At every instant all invariants hold, and when it is over
// the domain gets ready.
func TestAnything(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(rt, "mx1", "mx2")
		m := &machine{world: w, d: wanted("mx1", "mx2")}
		rt.Repeat(map[string]func(*rapid.T){
			"":                     func(*rapid.T) { w.checkMail() },
			"advance":              m.advance,
			"advance and more":     m.advance,
			"ask":                  m.ask,
			"settle":               m.settle,
			"time passes":          m.passTime,
			"days pass":            m.passDays,
			"late effects":         m.comeLate,
			"backup":               m.restore,
			"record vanishes":      m.vanish,
			"old record":           m.comeBack,
			"key lost":             m.loseKey,
			"policy":               m.policy,
			"signer added":         m.addSigner,
			"signer removed":       m.removeSigner,
			"the server lags":      m.lagging,
			"two at once":          m.twoAtOnce,
			"approve":              m.propose,
			"apply":                m.carryOut,
			"rollback":             m.rollBack,
			"rollback of some":     m.rollBackSome,
			"a key is compromised": m.leak,
			"released":             m.handBack,
			"moved away":           m.moveAway,
			"taken back":           func(t *rapid.T) { m.order(t, rotate.Reclaim{}) },
			"selectors reorder": func(*rapid.T) {
				m.d.Policy.Selectors[0], m.d.Policy.Selectors[1] = m.d.Policy.Selectors[1], m.d.Policy.Selectors[0]
			},
		})
		m.calm()
		m.asked()
		if m.lost {
			w.settle(m.d)
			w.pass(11 * day) // until no mail in flight can need the lost key's record
		}
		for range 3 {
			w.pass(time.Hour) // the daemon looks after each domain every hour
			if res := w.settle(m.d); res.Err != nil {
				rt.Fatalf("when everything works again: %v", res.Err)
			}
		}
		w.checkReady(m.d, "")
		w.checkApplied()
	})
}

// machine is a world to which anything happens.
type machine struct {
	*world
	d     wish
	hired int
	lost  bool                // the keystore lost a key at some time
	plans []approval.Approval // that a person approved of
}

var operations = []string{"put s1", "put s2", "publish s1", "publish s2", "activate mx1", "activate mx2", "destroy s1",
	"destroy s2", "forget mx1",
	"save", "load", "acquire", "look s1", "look s2", "get s1", "get s2", "ask mx1", "ask mx2"}

// hardships draws what goes wrong while f runs.
func (m *machine) hardships(t *rapid.T, f func()) {
	if rapid.IntRange(0, 2).Draw(t, "killed") == 0 {
		m.crashAt = m.points + rapid.IntRange(1, 25).Draw(t, "after points")
	}
	if rapid.IntRange(0, 1).Draw(t, "trouble") == 0 {
		op := rapid.SampledFrom(operations).Draw(t, "with")
		kind := rapid.SampledFrom([]trouble{refused, lost, delayed}).Draw(t, "of kind")
		skip, times := rapid.IntRange(0, 2).Draw(t, "skipped"), rapid.SampledFrom([]int{1, 2, 4, 1000}).Draw(t, "times")
		m.trouble = func(o string) trouble {
			if o != op {
				return fine
			}
			if skip--; skip >= 0 {
				return fine
			}
			if times--; times < 0 {
				return fine
			}
			return kind
		}
	}
	f()
	m.crashAt, m.trouble = 0, nil
}

func (m *machine) advance(t *rapid.T) {
	m.hardships(t, func() { m.engine().Advance(context.Background(), m.d) })
}

func (m *machine) ask(t *rapid.T) {
	d := m.d
	d.Asked = true
	m.hardships(t, func() { m.engine().Advance(context.Background(), d) })
}

// order gives an order while anything may go wrong; refusals are as good as obedience.
func (m *machine) order(t *rapid.T, o rotate.Instruction) {
	d := m.d
	d.Instruction = o
	m.hardships(t, func() { m.engine().Advance(context.Background(), d) })
}

func (m *machine) handBack(t *rapid.T) {
	m.order(t, rotate.Release{Purge: rapid.Bool().Draw(t, "purge")})
}

// moveAway lets a person move a signer of a released domain to something else.
func (m *machine) moveAway(t *rapid.T) {
	if m.state(m.d.Name).Released == nil {
		t.Skip("it is not released")
	}
	m.comeLate(t)
	m.hosts[rapid.SampledFrom(m.d.Signers).Draw(t, "signer")].leave(m.d.Name)
}

func (m *machine) rollBack(t *rapid.T) { m.order(t, rotate.Rollback{}) }

func (m *machine) rollBackSome(t *rapid.T) {
	m.order(t, rotate.Rollback{Signers: []string{rapid.SampledFrom(m.d.Signers).Draw(t, "signer")}})
}

func (m *machine) leak(t *rapid.T) {
	selectors := rapid.SampledFrom([][]string{nil, {"s1"}, {"s2"}, {"s1", "s2"}}).Draw(t, "selectors")
	m.order(t, rotate.Compromised{Selectors: selectors, RevokeNow: rapid.Bool().Draw(t, "now")})
}

func (m *machine) settle(t *rapid.T) {
	m.hardships(t, func() {
		m.engine().Settle(context.Background(), m.d, engine.Patience{Most: time.Hour, Retry: true}, nil)
	})
}

func (m *machine) passTime(t *rapid.T) {
	m.pass(time.Duration(rapid.Int64Range(1, int64(3*time.Hour)).Draw(t, "time")))
}

func (m *machine) passDays(t *rapid.T) {
	m.pass(time.Duration(rapid.IntRange(1, 12).Draw(t, "days")) * day)
}

// comeLate lets effects happen whose callers gave up on them.
func (m *machine) comeLate(*rapid.T) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, effect := range m.late {
		effect()
	}
	m.late = nil
}

func (m *machine) restore(t *rapid.T) {
	signer := rapid.SampledFrom(m.d.Signers).Draw(t, "signer")
	if !m.hosts[signer].restore(m.d.Name, rapid.IntRange(1, 3).Draw(t, "age")) {
		t.Skip("there is no such backup")
	}
}

func (m *machine) vanish(t *rapid.T) {
	s := rapid.SampledFrom([]string{"s1", "s2"}).Draw(t, "selector")
	if len(m.zone(s+"._domainkey.example.com").changes) == 0 {
		t.Skip("there is no record")
	}
	m.spoil(s, "")
}

func (m *machine) comeBack(t *rapid.T) {
	s := rapid.SampledFrom([]string{"s1", "s2"}).Draw(t, "selector")
	old := m.zone(s + "._domainkey.example.com").superseded
	st := m.state(m.d.Name)
	if len(old) == 0 || st.Selectors[s].Next != nil {
		t.Skip("there is no replaced record")
	}
	m.spoil(s, rapid.SampledFrom(old).Draw(t, "record"))
}

// loseKey lets the keystore lose the standby's private key, with or without a trace.
func (m *machine) loseKey(t *rapid.T) {
	st := m.state(m.d.Name)
	if st.Phase != rotate.Ready || st.Released != nil || len(m.late) > 0 {
		t.Skip("there is no standby, or a key may yet come late")
	}
	standby := m.d.Policy.Other(st.Active)
	name := dkim.Name{Domain: m.d.Name, Selector: standby}
	if m.only(name) {
		t.Skip("that of the active selector is lost already")
	}
	if version := st.Selectors[standby].Key.Version; rapid.Bool().Draw(t, "trace") {
		if version <= len(m.keys[name]) {
			m.keys[name][version-1] = nil
		}
	} else {
		m.keys[name] = nil
	}
	m.lost = true
}

func (m *machine) policy(t *rapid.T) {
	p := &m.d.Policy
	p.Drain = rapid.SampledFrom([]time.Duration{7 * day, 9 * day}).Draw(t, "drain")
	p.Settle = rapid.SampledFrom([]time.Duration{7 * day, 10 * day}).Draw(t, "settle")
	p.TTL = rapid.SampledFrom([]time.Duration{time.Hour, 4 * time.Hour}).Draw(t, "TTL")
	p.Schedule = rapid.SampledFrom([]string{"0 4 1 * *", "0 4 * * 1", "@daily"}).Draw(t, "schedule")
	p.Splay = rapid.SampledFrom([]time.Duration{0, 6 * time.Hour}).Draw(t, "splay")
}

func (m *machine) addSigner(t *rapid.T) {
	if len(m.d.Signers) == 4 {
		t.Skip("there are enough")
	}
	m.hired++
	name := fmt.Sprintf("new%d", m.hired)
	m.addHost(name)
	m.d.Signers = append(slices.Clone(m.d.Signers), name)
}

func (m *machine) removeSigner(t *rapid.T) {
	if len(m.d.Signers) == 1 {
		t.Skip("it is the last")
	}
	i := rapid.IntRange(0, len(m.d.Signers)-1).Draw(t, "signer")
	m.hosts[m.d.Signers[i]].stop()
	m.d.Signers = slices.Delete(slices.Clone(m.d.Signers), i, i+1)
}

func (m *machine) lagging(t *rapid.T) {
	m.catchUp()
	m.lag = rapid.SampledFrom([]time.Duration{0, 3 * time.Second, time.Minute, never.Sub(m.now)}).Draw(t, "lag")
}

// twoAtOnce lets a second process come upon the first at some point of its work.
func (m *machine) twoAtOnce(t *rapid.T) {
	at := rapid.IntRange(1, 12).Draw(t, "at effect")
	second := m.start("second", nil)
	m.pause = func(string) {
		if at--; at == 0 {
			m.pause = nil
			if res := second.Advance(context.Background(), m.d); res.Err == nil {
				m.Errorf("I8: a second process worked on the domain at the same time")
			}
		}
	}
	m.hardships(t, func() { m.engine().Advance(context.Background(), m.d) })
	m.pause = nil
}

// propose makes a plan that a person approves of.
func (m *machine) propose(t *rapid.T) {
	d := m.d
	d.Asked = rapid.Bool().Draw(t, "asked")
	if a := m.approve(fmt.Sprintf("p%d", len(m.plans)), d); len(a.Steps) > 0 {
		m.plans = append(m.plans, a)
	}
}

// carryOut applies a plan, of now or of long ago: nothing is done that is not in
// it, and nothing at all when it was taken up before.
func (m *machine) carryOut(t *rapid.T) {
	if len(m.plans) == 0 {
		t.Skip("there is no plan")
	}
	a := m.plans[len(m.plans)-1]
	if rapid.IntRange(0, 3).Draw(t, "old") == 0 {
		a = rapid.SampledFrom(m.plans).Draw(t, "plan")
	}
	used := m.state(m.d.Name).Applied == a.PlanID
	var res engine.Result
	var ops []string
	m.hardships(t, func() {
		res, ops = m.apply(m.d, a, rapid.SampledFrom([]engine.Patience{{}, {Most: time.Hour},
			{Most: time.Hour, Retry: true}}).Draw(t, "patience"))
	})
	for _, op := range ops {
		if used || !slices.ContainsFunc(a.Steps, func(s rotate.Step) bool { return operationOf(s, op) }) {
			t.Fatalf("it did %s; the plan (taken up before: %v) is to %s", op, used, kinds(a.Steps))
		}
	}
	for _, e := range res.Done {
		switch e.Kind {
		case rotate.Applied, rotate.Verify, rotate.Drain: // looking may be repeated; a drain begins by itself
		default:
			m.checkOnce(t, a, res.Done, e)
		}
	}
}

// checkOnce: a step is done as often as it is in the plan.
func (m *machine) checkOnce(t *rapid.T, a approval.Approval, done []rotate.Event, e rotate.Event) {
	n, most := 0, 0
	for _, d := range done {
		if d.Kind == e.Kind && d.Selector == e.Selector && d.Signer == e.Signer {
			n++
		}
	}
	for _, s := range a.Steps {
		if s.Kind == e.Kind && s.Selector == e.Selector && s.Signer == e.Signer {
			most++
		}
	}
	if e.Kind == rotate.Publish {
		most = max(most, n*min(most, 1)) // until it is seen, it is published again
	}
	if n > most {
		t.Fatalf("%s %s %s was done %d times; the plan is to %s", e.Kind, e.Selector, e.Signer, n, kinds(a.Steps))
	}
}

// operationOf reports whether an operation is one that a step takes.
func operationOf(s rotate.Step, op string) bool {
	switch s.Kind {
	case rotate.StoreKey:
		return op == "put "+s.Selector
	case rotate.Publish, rotate.Revoke:
		return op == "publish "+s.Selector
	case rotate.Activate:
		return op == "activate "+s.Signer
	case rotate.Destroy:
		return op == "destroy "+s.Selector || strings.HasPrefix(op, "forget ")
	}
	return false
}

// asked takes the domain back, and carries a switch on that was held up for some
// signers: only a person does.
func (m *machine) asked() {
	d := m.d
	for range 20 { // days, until what is being purged has been
		m.world.order(d, rotate.Reclaim{})
		if m.state(d.Name).Released == nil {
			break
		}
		for _, h := range m.hosts {
			h.leave(d.Name)
		}
		m.pass(day)
		m.engine().Advance(context.Background(), d)
	}
	m.engine().Settle(context.Background(), d, forever, nil)
	d.Asked = len(m.state(d.Name).Held) > 0
	m.engine().Settle(context.Background(), d, forever, nil)
}

// calm ends all hardships.
func (m *machine) calm() {
	m.crashAt, m.trouble, m.pause = 0, nil, nil
	m.comeLate(nil)
	m.catchUp()
}
