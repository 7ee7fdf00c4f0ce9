package simulate

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/agent"
	agents "github.com/dkimbot/dkimbot/rotate/signer/agent/host"
)

// Hosts behind agents are modelled here. Both sides are the real ones; the board between them, the host's signer and
// its memory are modelled. Agents are late, away for days, and on hosts that are built again from nothing; their
// reports get lost. They lie about nothing.

const (
	agentPoll   = time.Hour // far slower than in life: years are played
	calmPoll    = time.Minute
	agentSilent = 3 * agentPoll // then it counts as one that does not answer
	longestAway = 12 * day

	longestAnswer = 4 * day // until an operator says that a host is gone
)

// board is where documents lie: in the keystore.
type board struct {
	*world
	mu    sync.Mutex // an observation reads side by side
	pages map[string]agent.Page
}

// Read implements agent.Board.
func (b *board) Read(_ context.Context, path string) (agent.Page, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.vault.up(b.now) {
		return agent.Page{}, unable("read "+path, "the keystore is sealed")
	}
	p := b.pages[path]
	p.Now = b.now
	return p, nil
}

// Write implements agent.Board.
func (b *board) Write(_ context.Context, path string, text []byte, after int) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.vault.up(b.now) {
		return 0, unable("write "+path, "the keystore is sealed")
	}
	if b.pages[path].Version != after {
		return 0, &fault.Error{Kind: fault.Transient, Code: codes.VersionConflict, What: "write " + path,
			Hint: "read it again; another one was faster"}
	}
	b.pages[path] = agent.Page{Text: text, Version: after + 1, Written: b.now}
	return after + 1, nil
}

// agentOn is the agent on a host.
type agentOn struct {
	part
	host  *host
	real  *agents.Host
	wish  int                  // the version that the last turn saw
	saw   map[string]dkim.Ref  // by domain: what it saw in effect
	fresh bool                 // the last turn was completed, and the next one says the same where nothing has changed
	lives int                  // how often the host was built
	names int                  // that were given
	asked map[string]time.Time // by domain: when dkimbot asked last for a key: it does not ask DNS itself
	told  []string             // hosts of this name that an operator was told of
	gone  []string             // hosts of this name that an operator says are gone
}

// employ puts an agent on each host.
func (w *world) employ() {
	w.board = &board{world: w, pages: map[string]agent.Page{}}
	for _, name := range w.hostNames {
		h := w.hosts[name]
		a := &agentOn{part: part{name: "the agent on " + name}, host: h, asked: map[string]time.Time{}}
		h.disk.memo = agents.Memo{Instance: "0"}
		var domains []string
		for _, d := range w.domains {
			domains = append(domains, d.name)
		}
		a.real = &agents.Host{Agent: name, Name: name, Domains: domains, Poll: agentPoll, Board: reporting{w.board}, Keys: a,
			Signer: a, Memory: a, Now: func() time.Time { return w.now }, Names: func() string {
				a.names++
				return "N" + strconv.Itoa(a.names)
			}}
		h.agent = a
		w.after(between(w.faults, 0, agentPoll), a.poll)
		w.fallible(&a.part, min(longestAway, w.rates.longest))
		w.often(w.rates.backups, a.rebuild)
	}
}

// poll takes a turn, if the agent runs. One that finds nothing new reports what it reported before.
func (a *agentOn) poll() {
	w := a.host.world
	next := agentPoll
	if w.calm() {
		next = calmPoll
	}
	w.after(next, a.poll)
	if !a.up(w.now) || !w.vault.up(w.now) {
		a.fresh = false
		return
	}
	at := agent.ReportAt(a.host.name)
	saw, _ := a.Active(context.Background(), a.real.Domains)
	wish := w.board.pages[agent.WishAt(a.host.name)].Version
	if a.fresh && wish == a.wish && sameRefs(saw, a.saw) {
		p := w.board.pages[at]
		p.Written = w.now
		w.board.pages[at] = p
		return
	}
	report, err := a.real.Turn(context.Background())
	a.saw, _ = a.Active(context.Background(), a.real.Domains)
	a.fresh, a.wish = err == nil && len(a.unready()) == 0 && len(report.Others) == 0, wish
	a.explain()
}

// explain has an operator see, some time later, that a host that is not heard of any more is this one before it was
// built again or restored.
func (a *agentOn) explain() {
	w := a.host.world
	report, _ := agent.ReadReport(a.host.name, w.board.pages[agent.ReportAt(a.host.name)])
	for _, o := range slices.Concat(report.Others, report.Lost) {
		if slices.Contains(a.told, o.Instance) || a.living(o.Instance) {
			continue
		}
		a.told = append(a.told, o.Instance)
		wait := between(w.faults, agentPoll, longestAnswer)
		if w.calm() {
			wait = calmPoll
		}
		w.after(wait, func() { a.dismiss(o.Instance) })
	}
}

// dismiss is an operator who writes that a host is gone. One that is back is asked about again.
func (a *agentOn) dismiss(instance string) {
	if a.living(instance) {
		a.told = slices.DeleteFunc(a.told, func(i string) bool { return i == instance })
		return
	}
	a.host.world.log("", "an operator says that %s (%s) is gone", a.host.name, instance)
	a.gone = append(a.gone, instance)
}

// living reports whether a memory that calls itself so is on a host that signs.
func (a *agentOn) living(instance string) bool { return a.host.disk.memo.Instance == instance }

// unready returns the domains of the last wish that are not in effect.
func (a *agentOn) unready() (out []string) {
	w := a.host.world
	wish, _ := agent.ReadWish(a.host.name, w.board.pages[agent.WishAt(a.host.name)])
	for domain, want := range wish.Keys {
		if a.host.disk.memo.Applied[domain] < want.Sequence {
			out = append(out, domain)
		}
	}
	slices.Sort(out)
	return out
}

func sameRefs(a, b map[string]dkim.Ref) bool {
	for d, ref := range a {
		if b[d] != ref {
			return false
		}
	}
	return len(a) == len(b)
}

// rebuild makes the host a new one: nothing is on its disk, and its agent remembers nothing.
func (a *agentOn) rebuild() {
	h, w := a.host, a.host.world
	if len(h.strays) > 0 {
		return
	}
	for _, d := range w.domains {
		if _, away := h.disk.own[d.name]; away {
			return // somebody else looks after it
		}
	}
	w.log("", "%s is built again from nothing", h.name)
	for _, d := range w.domains {
		h.lastWords(d.name)
		delete(h.loaded, d.name)
		delete(h.coming, d.name)
		delete(h.leaving, d.name)
		delete(h.unread, d.name)
		h.excused[d.name] = true
	}
	h.restored = w.now
	a.lives++
	h.disk = disk{table: map[string]dkim.Ref{}, own: map[string]string{}, files: map[dkim.Ref]string{},
		memo: agents.Memo{Instance: strconv.Itoa(a.lives)}}
	a.fresh = false
}

// Load implements agents.Memory.
func (a *agentOn) Load() (agents.Memo, error) { return a.host.disk.memo, nil }

// Save implements agents.Memory.
func (a *agentOn) Save(m agents.Memo) error { a.host.disk.memo = m; return nil }

// Get implements agents.Keys.
func (a *agentOn) Get(_ context.Context, name dkim.Name, version int) (*dkim.PrivateKey, int, error) {
	return a.host.world.vault.get(name, version, a.host.world.now)
}

// Lag implements signer.Signer.
func (a *agentOn) Lag() time.Duration { return a.host.lag }

// Active implements signer.Signer: what the host's own adapter sees.
func (a *agentOn) Active(_ context.Context, domains []string) (map[string]dkim.Ref, error) {
	out := map[string]dkim.Ref{}
	for _, d := range domains {
		if ref, ok := a.host.active(d); ok {
			out[d] = ref
		}
	}
	return out, nil
}

// Activate implements signer.Signer.
func (a *agentOn) Activate(_ context.Context, keys []dkim.SigningKey) error {
	failed := map[string]error{}
	for _, k := range keys {
		if err := a.host.activate(k.Ref(), a.host.order()); err != nil {
			failed[k.Domain] = err
		}
	}
	return signer.Partial(failed, len(keys))
}

// Forget implements ports.Forgetter.
func (a *agentOn) Forget(_ context.Context, refs []dkim.Ref) error {
	for _, ref := range refs {
		a.host.forget(ref)
	}
	return nil
}

// reported takes note of when the host's last report was made that the run reads now.
func (b behind) reported() {
	if t := b.turn; t != nil {
		b.board.mu.Lock()
		at := b.board.pages[agent.ReportAt(b.host.name)].Written
		b.board.mu.Unlock()
		t.mu.Lock()
		t.reports[b.host.name] = at
		t.mu.Unlock()
	}
}

// toldAt returns when dkimbot told a host at the latest what it begins to use now.
func (h *host) toldAt(domain string) time.Time {
	at := h.world.now.Add(-h.lag)
	if h.agent != nil {
		if asked, ok := h.agent.asked[domain]; ok && asked.Before(at) {
			return asked
		}
	}
	return at
}

// asOf returns as of when a run that began then knows a host: that is when it began, and of one behind an agent when
// the report was made that it read last.
func (t *turn) asOf(h *host, began time.Time) time.Time {
	if t == nil {
		return began
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if at, read := t.reports[h.name]; read && at.Before(began) {
		return at
	}
	return began
}

// reporting is the board as agents reach it: some reports get lost on the way.
type reporting struct{ *board }

// Write implements agent.Board.
func (b reporting) Write(ctx context.Context, path string, text []byte, after int) (int, error) {
	if w := b.world; !w.calm() && w.faults.Float64() < w.rates.fails {
		return 0, unable("write "+path, "no answer in time")
	}
	return b.board.Write(ctx, path, text, after)
}

// behind is a host as one process reaches it through its agent.
type behind struct {
	remote
	reach *reach
}

// reach is the signer with the configuration of the moment.
type reach struct {
	agent *agent.Signer
	gone  string
}

// through returns the signer of that name: the host itself, or its agent.
func (p *process) through(name string, h *host) ports.Signer {
	r := remote{p, h, name}
	if !p.plays(agentsClass) {
		return r
	}
	return behind{r, &reach{}}
}

// coordinator returns the signer as it is configured now.
func (b behind) coordinator() *agent.Signer {
	gone := strings.Join(b.host.agent.gone, " ")
	if b.reach.agent != nil && b.reach.gone == gone {
		return b.reach.agent
	}
	s, err := agent.New(agent.Config{Name: b.signer, Agent: b.host.name, SilentAfter: agentSilent,
		Timeout: 2 * time.Minute, Gone: gone})
	if err != nil {
		panic("simulate: " + err.Error())
	}
	s.By(b.process)
	s.Through(b.board)
	b.reach.agent, b.reach.gone = s, gone
	return s
}

// Lag implements ports.Signer.
func (b behind) Lag() time.Duration { return max(b.host.lag, b.coordinator().Lag()) }

// Active implements ports.SignerReader.
func (b behind) Active(ctx context.Context, domains []string) (refs map[string]dkim.Ref, err error) {
	defer func() { b.turn.heard(b.signer, refs, err) }()
	if err := b.reads("ask", b.host.name); err != nil {
		return nil, err
	}
	b.reported()
	return b.coordinator().Active(ctx, domains)
}

// Hosts implements ports.Several.
func (b behind) Hosts(ctx context.Context, domains []string) (here map[string]dkim.Ref, unheard error) {
	if err := b.reads("ask", b.host.name); err != nil {
		return nil, err
	}
	return b.coordinator().Hosts(ctx, domains)
}

// Activate implements ports.Signer: what a process does to the world is to write the wish.
func (b behind) Activate(ctx context.Context, keys []dkim.SigningKey) error {
	for _, k := range keys {
		e := effect{kind: rotate.Activate, domain: k.Domain, name: k.Name, signer: b.signer, keyID: k.Ref().KeyID,
			part: &b.vault.part, what: "ask " + b.host.agent.name + " for " + k.Selector}
		b.turn.attempts(e)
		b.coordinator().Through(writing{b.board, b.process, e, func() {
			n := b.names[k.Name]
			b.host.agent.asked[k.Domain] = b.now
			b.host.blind[k.Domain] = b.turn.blindAt(k.Name) && n != nil && n.otherwiseSince(n.looked)
		}})
		err := b.coordinator().Activate(ctx, []dkim.SigningKey{k})
		if b.reported(); err != nil {
			return err
		}
	}
	return nil
}

// Forget implements ports.Forgetter.
func (b behind) Forget(ctx context.Context, refs []dkim.Ref) error {
	for _, ref := range refs {
		b.coordinator().Through(writing{b.board, b.process, effect{kind: rotate.Destroy, domain: ref.Domain, name: ref.Name,
			signer: b.host.name, keyID: ref.KeyID, part: &b.vault.part, what: "have " + b.host.agent.name + " forget a key"},
			func() {}})
		if err := b.coordinator().Forget(ctx, []dkim.Ref{ref}); err != nil {
			return err
		}
	}
	return nil
}

// writing is the board on which a process writes: that is its effect.
type writing struct {
	*board
	by     *process
	effect effect
	before func()
}

// Write implements agent.Board.
func (b writing) Write(ctx context.Context, path string, text []byte, after int) (version int, err error) {
	e := b.effect
	e.do = func() (err error) {
		b.before()
		version, err = b.board.Write(ctx, path, text, after)
		return err
	}
	return version, b.by.take(e)
}
