package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// ground is what many small worlds share: the servers, a zone in which each world
// has a name, and for each algorithm OpenDKIM daemons, each of which serves one
// world at a time.
type ground struct {
	*site
	worlds  atomic.Int64
	signers map[algorithm]chan *signertest.OpenDKIM
}

// kind is where a world keeps its keys, and of what algorithm they are.
type kind struct {
	keystore
	algorithm
}

type (
	keystore  string
	algorithm string
)

const (
	inFiles keystore  = "file"
	inVault keystore  = "vault"
	rsa     algorithm = "rsa2048"
	ed25519 algorithm = "ed25519" // quickly made
)

// either returns one keystore for even numbers and the other for odd ones.
func either(i int) keystore { return [...]keystore{inFiles, inVault}[i%2] }

const crashZone = "crash.test"

// patientZone is the zone in which the waits are longer with each try; try 0 is the usual one.
func patientZone(try int) nameservertest.Zone {
	name, negative := crashZone, crashNegative<<(2*try)
	if try > 0 {
		name = fmt.Sprintf("patient%d.test", try)
	}
	return nameservertest.Zone{Name: name, TTL: negative, Minimum: negative} // the smaller one counts, RFC 2308
}

// crashTries is how often a point is tried to be reached.
const crashTries = 3

// newGround builds the program with failpoints, and starts the servers for as many
// worlds of each algorithm at once.
func newGround(t testing.TB, atOnce map[algorithm]int) *ground {
	t.Helper()
	return newGroundFor(t, buildWith(t, "-tags=failpoints"), atOnce)
}

func newGroundFor(t testing.TB, binary string, atOnce map[algorithm]int) *ground {
	t.Helper()
	g := &ground{signers: map[algorithm]chan *signertest.OpenDKIM{}}
	var zones []nameservertest.Zone
	for try := range crashTries {
		zones = append(zones, patientZone(try))
	}
	g.site = newSite(t, binary, nameservertest.StartBIND(t, zones...))
	extra := map[algorithm][]string{ed25519: {"SignatureAlgorithm ed25519-sha256"}}
	for a, n := range atOnce {
		g.signers[a] = make(chan *signertest.OpenDKIM, n)
		for range n {
			g.signers[a] <- signertest.StartOpenDKIM(t, extra[a]...)
		}
	}
	return g
}

// The times of a world: for how long a session with OpenDKIM continues with the old
// key, for how long a message verifies after it was signed, and for how long
// resolvers remember that nothing was there. This is so long that, also on a busy
// machine, what comes before such a wait is done before it is over.
const (
	crashLag      = time.Second
	crashDrain    = 2 * time.Second
	crashNegative = 2 * time.Second
)

// world is a fresh domain with its keystore, state and signer, whose mail flows.
type world struct {
	*site
	kind
	t      testing.TB
	domain string
	dir    string // of the configuration, the state and the keys in files
	signer *signertest.OpenDKIM
	bot    *bot
	mail   *flow
	leave  func() // gives the signer to the next world

	negative time.Duration // for how long resolvers remember that nothing was there
}

func (g *ground) world(t testing.TB, k kind) *world {
	t.Helper()
	return g.worldWith(t, k, func(*world, *settings) {})
}

// worldWith returns a world after prepare has made it another one than usual: before
// its configuration is written and its mail flows.
func (g *ground) worldWith(t testing.TB, k kind, prepare func(*world, *settings)) *world {
	t.Helper()
	w := &world{site: g.site, kind: k, t: t, signer: <-g.signers[k.algorithm], dir: t.TempDir(), negative: crashNegative}
	w.leave = sync.OnceFunc(func() { g.signers[k.algorithm] <- w.signer })
	t.Cleanup(w.leave)
	w.domain = fmt.Sprintf("d%03d.%s", g.worlds.Add(1), crashZone)
	c := settings{domain: w.domain, keystore: "{ driver: file, path: keys }", key: string(k.algorithm), signer: w.signer,
		lag: crashLag, drain: crashDrain, settle: time.Second}
	if k.keystore == inVault {
		c.keystore = g.inVault()
	}
	if prepare(w, &c); c.reload == nil {
		c.reload = w.signer.Reload()
	}
	w.bot = newBot(t, g.binary, g.configure(t, w.dir, c))
	w.mail = startFlow(t, w.domain, w.signer, g.dns)
	return w
}

// patientWorld returns a world in which the waits get longer with each try.
func (g *ground) patientWorld(t testing.TB, k kind, try int) *world {
	t.Helper()
	zone := patientZone(try)
	w := g.worldWith(t, k, func(w *world, c *settings) {
		w.domain, w.negative = fmt.Sprintf("d%03d.%s", g.worlds.Add(1), zone.Name), zone.Minimum
		c.domain, c.drain = w.domain, crashDrain<<(2*try)
	})
	w.mail.setDrain(crashDrain << (2 * try))
	return w
}

// with does something while the program runs with more in its environment.
func (w *world) with(do func(), env ...string) {
	before := w.bot.env
	defer func() { w.bot.env = before }()
	w.bot.env = append(slices.Clone(before), env...)
	do()
}

// rotate carries a turn on to its end, as an operator would who looks where the
// domain stands first.
func (w *world) rotate(turn int) {
	w.t.Helper()
	if !w.done(turn) {
		w.bot.do("rotate", "--domain", w.domain, "--wait")
	}
	if !w.done(turn) {
		w.t.Fatalf("after the %s the domain stands so: %+v", turns[turn].name, w.bot.status())
	}
	w.mail.expect(turns[turn].active)
	if turn == 0 {
		time.Sleep(w.negative) // from now on the standby may be used
	}
}

// done reports whether the domain is at the end of the turn, or of a later one.
func (w *world) done(turn int) bool {
	w.t.Helper()
	if found, err := filepath.Glob(filepath.Join(w.dir, "state.db")); err != nil || len(found) == 0 {
		return false
	}
	st := w.bot.status()
	return st.Phase == "ready" && st.Active == turns[turn].active
}
