package engine_test

import (
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/plan/plantest"
)

const (
	negative = plantest.Negative // how long the modelled zone's negative answers are cached
	keep     = 7 * day           // how long some receivers keep a key after they fetched it
)

// never is later than every test.
var never = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

// zoneHistory is everything that two name servers ever showed at one name.
type zoneHistory struct {
	changes    []shownFrom
	ours       string   // what dkimbot published last
	superseded []string // what it replaced
}

// shownFrom is a value, "" for nothing, and when each server began to show it.
type shownFrom struct {
	value string
	ttl   time.Duration
	from  [2]time.Time
	fault bool // somebody else did it
	brief bool // and somebody else undid it, so that dkimbot may never have seen it
}

func (z *zoneHistory) set(now time.Time, lag time.Duration, value string, ttl time.Duration, fault bool) {
	if n := len(z.changes); n > 0 {
		last := &z.changes[n-1]
		if last.value == value {
			return
		}
		last.brief = last.fault && fault
	}
	z.changes = append(z.changes, shownFrom{value: value, ttl: ttl, from: [2]time.Time{now, now.Add(lag)}, fault: fault})
}

// ttl returns the largest with which a value ever stood there.
func (z *zoneHistory) ttl(value string) (ttl time.Duration) {
	for _, c := range z.changes {
		if c.value == value {
			ttl = max(ttl, c.ttl)
		}
	}
	return ttl
}

// spoilt reports that what stands there now is somebody else's doing.
func (z *zoneHistory) spoilt() bool { return len(z.changes) > 0 && z.changes[len(z.changes)-1].fault }

// spans calls f for each span of time in which a server showed a value.
func (z *zoneHistory) spans(server int, f func(c shownFrom, from, to time.Time)) {
	var begun []shownFrom // without those that a later change overtook on the way to the server
	next := never
	for _, c := range slices.Backward(z.changes) {
		if at := c.from[server]; at.Before(next) {
			begun, next = append(begun, c), at
		}
	}
	last, from := shownFrom{}, time.Time{}
	for _, c := range slices.Backward(begun) {
		f(last, from, c.from[server])
		last, from = c, c.from[server]
	}
	f(last, from, never)
}

func (w *world) zone(owner string) *zoneHistory {
	if w.zones[owner] == nil {
		w.zones[owner] = &zoneHistory{}
	}
	return w.zones[owner]
}

// shown returns what the two name servers show now; mu is held.
func (w *world) shown(owner string) []string {
	now, out := w.clock(), make([]string, 2)
	for server := range out {
		w.zone(owner).spans(server, func(c shownFrom, from, to time.Time) {
			if !now.Before(from) && now.Before(to) {
				out[server] = c.value
			}
		})
	}
	return out
}

// spoil puts something else at a name, "" for nothing, past dkimbot.
func (w *world) spoil(selector, value string) { w.spoilAt(selector+"._domainkey.example.com", value) }

func (w *world) spoilAt(owner, value string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.zone(owner).set(w.clock(), 0, value, time.Hour, true)
}

// catchUp lets the second server show what it missed.
func (w *world) catchUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lag = 3 * time.Second
	for _, z := range w.zones {
		for i := range z.changes {
			if late := &z.changes[i].from[1]; late.After(w.clock()) {
				*late = w.clock().Add(w.lag)
			}
		}
	}
}

// checkMail holds all that was ever signed to I2, as receivers see it: at any
// time from its signing until its drain has passed, whichever server a receiver
// asks, whatever it or its resolver fetched before and still remembers.
func (w *world) checkMail() {
	w.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, h := range w.hosts {
		for _, u := range h.uses {
			w.checkUse(h, u)
		}
	}
}

func (w *world) checkUse(h *host, u *use) {
	if u.excused || w.leaked[u.ref.KeyID] {
		return
	}
	until := u.to.Add(keep)
	if u.to.IsZero() || until.After(w.clock()) {
		until = w.clock()
	}
	for server := range 2 {
		w.zone(u.ref.Name.String()).spans(server, func(c shownFrom, from, to time.Time) {
			memory := negative
			if c.value != "" {
				memory = keep + c.ttl
			}
			if c.value != "" && u.urgent { // receivers that keep keys are not waited for
				memory = c.ttl
			}
			switch {
			case dkim.Serves(c.value, u.record) || c.brief:
			case !from.Before(until) || !to.After(u.from.Add(-memory)): // neither during the use nor remembered
			case c.fault && !from.Before(u.from): // dkimbot could not prevent it
			case u.rescue: // all mail failed: what the servers that lag show can't make that worse
			case c.fault && u.urgent: // nor while it flees from a compromised key and can't ask DNS
			case c.fault && c.value != "" && !from.Before(w.firstUse(u)):
				// the key was in use already: a signer that comes back to it need not wait for days
			case c.fault && w.joined(h, u):
				// it did not sign, and others sign with the key: waiting would only send more mail without a signature,
				// also for a server that lags
			case u.stray && from.Before(u.from): // the use is not dkimbot's doing
			default:
				w.Errorf("I2: %s signs with %s from %s to %s; server %d shows %q from %s to %s, and receivers remember that for %s",
					h.name, u.ref.Name, stamp(u.from), stamp(u.to), server+1, short(c.value), stamp(from), stamp(to), memory)
			}
		})
	}
}

// joined reports whether a host that signed with nothing came to a key that it or another one had signed with.
func (w *world) joined(h *host, u *use) bool {
	for _, o := range h.uses {
		if o != u && o.ref.Domain == u.ref.Domain && o.from.Before(u.from) && (!o.ended() || o.to.Add(-h.lag).After(u.from)) {
			return false
		}
	}
	for _, other := range w.hosts {
		for _, o := range other.uses {
			if o != u && o.ref == u.ref && o.from.Before(u.from) && !o.stray {
				return true
			}
		}
	}
	return false
}

// excuse excuses all uses of a name until now.
func (w *world) excuse(name dkim.Name) {
	for _, h := range w.hosts {
		for _, u := range h.uses {
			u.excused = u.excused || u.ref.Name == name
		}
	}
}

// firstUse returns when dkimbot began to use the key of u, on any host.
func (w *world) firstUse(u *use) time.Time {
	first := never
	for _, h := range w.hosts {
		for _, o := range h.uses {
			if o.ref == u.ref && !o.stray && o.from.Before(first) {
				first = o.from
			}
		}
	}
	return first
}

func stamp(t time.Time) string { return t.Format("02 Jan 15:04:05") }

func short(s string) string { return s[max(0, len(s)-12):] }

// owned returns the name whose key record has the owner.
func owned(owner string) dkim.Name {
	selector, domain, _ := strings.Cut(owner, "._domainkey.")
	return dkim.Name{Domain: domain, Selector: selector}
}

// live returns the keys that the keystore holds for a name.
func (w *world) live(name dkim.Name) []*dkim.PrivateKey {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.keys[name]), func(k *dkim.PrivateKey) bool { return k == nil })
}
