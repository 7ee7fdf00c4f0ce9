package simulate

import (
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// turn is what one run of the engine for one domain saw, and what it tried. It is kept for
// the oracles; reads note themselves side by side.
type turn struct {
	domain string
	began  time.Time
	acted  time.Time // when its last effect began: it plans directly before one, and before it rests
	orders int       // that had been given when it began
	dry    bool      // it only plans, and remembers nothing (I11)
	late   time.Time // when an effect came after another process had taken the lease over; zero: none did
	broken bool      // the state could not be read or written, or the process died: nothing is asked of it

	mu      sync.Mutex
	sights  map[dkim.Name]rotate.Sight
	planned map[dkim.Name]rotate.Sight // as the engine observed, and planned by; a step looks later
	looked  map[dkim.Name]time.Time
	blind   map[dkim.Name]bool // DNS did not say, when it was asked last
	missed  map[dkim.Name]bool // nor once or more
	unread  map[dkim.Name]bool // the keystore did not say, once or more since the engine observed last
	signers map[string]dkim.Ref
	silent  map[string]bool
	reports map[string]time.Time // by host: of when the report of its agent is that was read last
	tried   map[attempted]bool
	waited  map[dkim.Name]string // by the name of a compromised key: a signer that was late and came before its revocation
}

// attempted is an effect that was begun, whatever became of it.
type attempted struct {
	kind rotate.Kind
	name dkim.Name
	on   string // the signer
}

// turns begins a run for a domain.
func (p *process) turns(domain string) {
	p.domain(domain).outlived = time.Time{}
	p.turn = &turn{domain: domain, began: p.now, acted: p.now, orders: p.domain(domain).orders,
		sights: map[dkim.Name]rotate.Sight{}, planned: map[dkim.Name]rotate.Sight{},
		looked: map[dkim.Name]time.Time{}, blind: map[dkim.Name]bool{}, missed: map[dkim.Name]bool{},
		unread:  map[dkim.Name]bool{},
		signers: map[string]dkim.Ref{}, silent: map[string]bool{}, reports: map[string]time.Time{},
		tried: map[attempted]bool{}, waited: map[dkim.Name]string{}}
}

// sight returns what the run saw last at a name.
func (t *turn) sight(name dkim.Name) (rotate.Sight, bool) {
	if t == nil {
		return rotate.Sight{}, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.sights[name]
	return s, ok
}

func (t *turn) saw(name dkim.Name, s rotate.Sight, err error, now time.Time) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.blind[name], t.missed[name] = err != nil, t.missed[name] || err != nil
	if delete(t.sights, name); err == nil {
		t.sights[name], t.looked[name] = s, now
	}
}

// blindAt reports whether DNS did not say what stands at the name when the run asked last.
func (t *turn) blindAt(name dkim.Name) bool {
	if t == nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.blind[name]
}

// missedAt reports whether DNS did not say what stands at the name, once or more.
func (t *turn) missedAt(name dkim.Name) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.missed[name]
}

// begins takes note that the engine loads the state, and observes afterwards.
func (t *turn) begins() {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.unread)
}

// read takes note of what a read of a key gave. The engine plans by what it observed: a
// later read that succeeds does not change the plan. An observation asks for the newest version, and a step that
// destroys a key does, too.
func (t *turn) read(name dkim.Name, newest bool, err error) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unread[name] = t.unread[name] || err != nil
	if !newest {
		return
	}
	delete(t.planned, name)
	if sight, looked := t.sights[name]; looked {
		t.planned[name] = sight
	}
}

func (t *turn) heard(signer string, refs map[string]dkim.Ref, err error) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if delete(t.signers, signer); err != nil {
		t.silent[signer] = true
		return
	}
	t.signers[signer] = refs[t.domain]
	delete(t.silent, signer)
}

// saved takes note that the state could not be written: then the run is at its end.
func (t *turn) saved(err error) {
	if t != nil && err != nil {
		t.broken = true
	}
}

func (t *turn) tries(e effect, now time.Time) {
	if t == nil {
		return
	}
	t.acted = now
	t.attempts(e)
}

// attempts takes note of what the run tries, also where nothing is to be done for it: what an agent was asked for
// before is not written again.
func (t *turn) attempts(e effect) {
	if t != nil && e.kind != "" {
		t.tried[attempted{e.kind, e.name, e.signer}] = true
	}
}

func (t *turn) has(kind rotate.Kind, name dkim.Name, signer string) bool {
	return t.tried[attempted{kind, name, signer}]
}

// wrote reports whether the run tried to write a record at the name.
func (t *turn) wrote(name dkim.Name) bool {
	return t.has(rotate.Publish, name, "") || t.has(rotate.Revoke, name, "")
}
