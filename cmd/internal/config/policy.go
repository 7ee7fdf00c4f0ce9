package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

const day = 24 * time.Hour

// safeWait is how long some receivers keep a key, and mail stays in queues (I2).
const safeWait = 7 * day

const maxNote = 100

func builtinPolicy() Policy {
	return Policy{Policy: rotate.Policy{
		Schedule: "0 4 1 * *", Timezone: "UTC", Drain: safeWait, Settle: safeWait,
		Key: dkim.RSA2048, Selectors: [2]string{"s1", "s2"}, TTL: time.Hour, Splay: 6 * time.Hour,
	}}
}

// Fields implements settings.Settings. What a policy leaves out it has from another.
func (p *Policy) Fields() []settings.Field {
	return []settings.Field{
		{Key: "schedule", Into: &p.Schedule, Form: cronForm,
			Meaning: "when a rotation is due: minute, hour, day, month, weekday"},
		{Key: "timezone", Into: &p.Timezone, Form: zoneForm, Meaning: "the time zone of the schedule, windows and freezes"},
		{Key: "splay", Into: &p.Splay,
			Meaning: "spreads the rotations of many domains over this time; each domain has its own fixed share"},
		{Key: "drain", Into: &p.Drain,
			Meaning: "how long the old key stays published after the last signer has switched; " +
				"less than 7d needs unsafe_timing"},
		{Key: "settle", Into: &p.Settle,
			Meaning: "how long a replaced key must have been public before it is used; less than 7d needs unsafe_timing"},
		{Key: "unsafe_timing", Into: &p.Unsafe,
			Meaning: "allow a drain and settle below seven days; for laboratories only, since mail can fail"},
		{Key: "key", Into: (*string)(&p.Key), Choices: []string{string(dkim.RSA2048), string(dkim.RSA4096),
			string(dkim.Ed25519)}, Meaning: "the kind of keys"},
		{Key: "selectors", Into: (*selectorPair)(&p.Selectors), Form: is("list of two"),
			Default: "[" + strings.Join(p.Selectors[:], ", ") + "]", Meaning: "the two selectors that sign in turn"},
		{Key: "ttl", Into: &p.TTL, Shortest: time.Second, Span: wholeTTL, Meaning: "the TTL of key records, at most 7d"},
		{Key: "note", Into: &p.Note, Form: settings.Form{Parse: shortNote}, Blank: true,
			Meaning: "the n= tag of key records, at most 100 bytes"},
		{Key: "plan_only", Into: &p.Limits.PlanOnly, Meaning: "change these domains only by a saved plan that a person applies"},
		{Key: "windows", Into: &ownPeriods{p, &p.Limits.Windows}, Form: is("list"), Default: "those of limits",
			Meaning: "when changes may start, instead of limits.windows; [] is at any time"},
		{Key: "freezes", Into: &ownPeriods{p, &p.Limits.Freezes}, Form: is("list"),
			Meaning: "when no change may start, added to limits.freezes"},
	}
}

// ownPeriods are a policy's own windows or freezes, in its time zone.
type ownPeriods struct {
	of   *Policy
	into *[]calendar.Period
}

// ReadValue implements node.Reader.
func (l *ownPeriods) ReadValue(v node.Value) { (&periodList{l.into, l.of.Timezone}).ReadValue(v) }

// readPolicy reads a policy; what it leaves out it takes from base.
func readPolicy(s *node.Section, base Policy) Policy {
	p := base
	s.Read(&p, nil)
	checkWaits(s, p)
	checkSchedule(s, &p, base)
	if s.Has("plan_only") {
		p.Limits.PlanOnlyKey = s.Join("plan_only")
	}
	s.Done()
	return p
}

func policyGroup() Group {
	p := builtinPolicy()
	return Group{Path: "policies.NAME",
		Meaning: "timing and kind of keys; what a policy leaves out it takes from the policy default", Fields: p.Fields()}
}

func wholeTTL(ttl time.Duration) *settings.Problem {
	switch {
	case ttl%time.Second != 0:
		return settings.Wrong(fmt.Sprintf("%s is not in whole seconds", ttl), "DNS counts whole seconds: 1h, 300s")
	case ttl > safeWait:
		return settings.Wrong(settings.Brief(ttl)+" is too long", "want at most 7d; 1h is usual")
	}
	return nil
}

func shortNote(note string, _ settings.Place) (string, *settings.Problem) {
	if len(note) > maxNote {
		return "", settings.Wrong("is too long for a key record", fmt.Sprintf("want at most %d bytes", maxNote))
	}
	return note, nil
}

// selectorPair is the two selectors of a policy.
type selectorPair [2]string

// ReadValue implements node.Reader.
func (pair *selectorPair) ReadValue(v node.Value) {
	*pair = selectorPair{}
	items, ok := v.List()
	if !ok {
		return
	}
	if len(items) != 2 {
		v.Fail(fmt.Sprintf("has %d entries", len(items)), "name exactly two selectors: [s1, s2]")
		return
	}
	for i, item := range items {
		t, ok := item.Text()
		if !ok {
			continue
		}
		var err error
		if pair[i], err = dkim.ParseSelector(t); err != nil {
			item.Fail(err.Error(), "write labels of letters, digits and hyphens, such as s1")
		}
	}
	if pair[0] != "" && pair[0] == pair[1] {
		v.Fail("both selectors are the same", "name two different ones: [s1, s2]")
	}
}

// checkWaits reports waits that break I2, where the policy itself says them.
func checkWaits(s *node.Section, p Policy) {
	for _, w := range []struct {
		key  string
		wait time.Duration
	}{{"drain", p.Drain}, {"settle", p.Settle}} {
		if !s.Has(w.key, "unsafe_timing") {
			continue
		}
		line, path := s.At(w.key, "unsafe_timing")
		if w.wait < safeWait && !p.Unsafe {
			s.Doc.Fail(line, path, fmt.Sprintf("a %s of %s is less than seven days: receivers may still hold the old key (I2)",
				w.key, settings.Brief(w.wait)),
				"write 7d or more, or unsafe_timing: true in a laboratory")
		}
	}
	if p.Unsafe && s.Has("ttl", "drain", "settle") && p.TTL > min(p.Drain, p.Settle) {
		line, path := s.At("ttl", "drain", "settle")
		wait := "drain"
		if p.Settle < p.Drain {
			wait = "settle"
		}
		s.Doc.Warn(line, path, fmt.Sprintf("resolvers may hold a record for %s, longer than %s (%s)", settings.Brief(p.TTL), wait,
			settings.Brief(min(p.Drain, p.Settle))),
			"mail can fail to verify; write a shorter ttl")
	}
}
