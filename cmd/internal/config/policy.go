package config

import (
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
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

// readPolicy reads a policy; what it leaves out it takes from base.
func readPolicy(s *section, base Policy) Policy {
	p := base
	p.Unsafe = s.boolean("unsafe_timing", base.Unsafe)
	p.Drain = s.duration("drain", base.Drain, 0)
	p.Settle = s.duration("settle", base.Settle, 0)
	p.Splay = s.duration("splay", base.Splay, 0)
	p.TTL = readTTL(s, base.TTL)
	p.Key = dkim.Algorithm(s.choice("key", string(base.Key), string(dkim.RSA2048), string(dkim.RSA4096), string(dkim.Ed25519)))
	p.Note = readNote(s, base.Note)
	if v, ok := s.take("selectors"); ok {
		p.Selectors = v.selectors()
	}
	s.checkWaits(p)
	s.readSchedule(&p, base)
	p.readLimits(s, base)
	s.done()
	return p
}

func readTTL(s *section, def time.Duration) time.Duration {
	ttl := s.duration("ttl", def, time.Second)
	switch v := s.values["ttl"]; {
	case ttl%time.Second != 0:
		v.fail(fmt.Sprintf("%s is not in whole seconds", ttl), "DNS counts whole seconds: 1h, 300s")
		return def
	case ttl > safeWait:
		v.fail(brief(ttl)+" is too long", "want at most 168h; 1h is usual")
		return def
	}
	return ttl
}

func readNote(s *section, def string) string {
	note := s.words("note", def)
	if len(note) > maxNote {
		v := s.values["note"]
		v.fail("is too long for a key record", fmt.Sprintf("want at most %d bytes", maxNote))
		return def
	}
	return note
}

func (v value) selectors() (out [2]string) {
	items, ok := v.list()
	if !ok {
		return out
	}
	if len(items) != 2 {
		v.fail(fmt.Sprintf("has %d entries", len(items)), "name exactly two selectors: [s1, s2]")
		return out
	}
	for i, item := range items {
		t, ok := item.text()
		if !ok {
			continue
		}
		var err error
		if out[i], err = dkim.ParseSelector(t); err != nil {
			item.fail(err.Error(), "write labels of letters, digits and hyphens, such as s1")
		}
	}
	if out[0] != "" && out[0] == out[1] {
		v.fail("both selectors are the same", "name two different ones: [s1, s2]")
	}
	return out
}

// checkWaits reports waits that break I2, where the policy itself says them.
func (s *section) checkWaits(p Policy) {
	for _, w := range []struct {
		key  string
		wait time.Duration
	}{{"drain", p.Drain}, {"settle", p.Settle}} {
		if !s.has(w.key, "unsafe_timing") {
			continue
		}
		line, path := s.at(w.key, "unsafe_timing")
		if w.wait < safeWait && !p.Unsafe {
			s.doc.fail(line, path, fmt.Sprintf("a %s of %s is less than seven days: receivers may still hold the old key (I2)", w.key, brief(w.wait)),
				"write 168h or more, or unsafe_timing: true in a laboratory")
		}
	}
	if p.Unsafe && s.has("ttl", "drain", "settle") && p.TTL > min(p.Drain, p.Settle) {
		line, path := s.at("ttl", "drain", "settle")
		s.doc.warn(line, path, fmt.Sprintf("resolvers may hold a record for %s, longer than drain (%s) or settle (%s)", brief(p.TTL), brief(p.Drain), brief(p.Settle)), "mail can fail to verify; write a shorter ttl")
	}
}
