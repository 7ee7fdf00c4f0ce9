package config

import (
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate"
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

// readPolicy reads a policy; what it leaves out it takes from base.
func readPolicy(s *node.Section, base Policy) Policy {
	p := base
	p.Unsafe = s.Boolean("unsafe_timing", base.Unsafe)
	p.Drain = s.Duration("drain", base.Drain, 0)
	p.Settle = s.Duration("settle", base.Settle, 0)
	p.Splay = s.Duration("splay", base.Splay, 0)
	p.TTL = readTTL(s, base.TTL)
	p.Key = dkim.Algorithm(s.Choice("key", string(base.Key), string(dkim.RSA2048), string(dkim.RSA4096),
		string(dkim.Ed25519)))
	p.Note = readNote(s, base.Note)
	if v, ok := s.Take("selectors"); ok {
		p.Selectors = selectors(v)
	}
	checkWaits(s, p)
	readSchedule(s, &p, base)
	p.readLimits(s, base)
	s.Done()
	return p
}

func readTTL(s *node.Section, def time.Duration) time.Duration {
	ttl := s.Duration("ttl", def, time.Second)
	switch v := s.Get("ttl"); {
	case ttl%time.Second != 0:
		v.Fail(fmt.Sprintf("%s is not in whole seconds", ttl), "DNS counts whole seconds: 1h, 300s")
		return def
	case ttl > safeWait:
		v.Fail(settings.Brief(ttl)+" is too long", "want at most 168h; 1h is usual")
		return def
	}
	return ttl
}

func readNote(s *node.Section, def string) string {
	note := s.Words("note", def)
	if len(note) > maxNote {
		v := s.Get("note")
		v.Fail("is too long for a key record", fmt.Sprintf("want at most %d bytes", maxNote))
		return def
	}
	return note
}

func selectors(v node.Value) (out [2]string) {
	items, ok := v.List()
	if !ok {
		return out
	}
	if len(items) != 2 {
		v.Fail(fmt.Sprintf("has %d entries", len(items)), "name exactly two selectors: [s1, s2]")
		return out
	}
	for i, item := range items {
		t, ok := item.Text()
		if !ok {
			continue
		}
		var err error
		if out[i], err = dkim.ParseSelector(t); err != nil {
			item.Fail(err.Error(), "write labels of letters, digits and hyphens, such as s1")
		}
	}
	if out[0] != "" && out[0] == out[1] {
		v.Fail("both selectors are the same", "name two different ones: [s1, s2]")
	}
	return out
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
				"write 168h or more, or unsafe_timing: true in a laboratory")
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
