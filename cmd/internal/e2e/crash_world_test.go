package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/providers/nameservertest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// ground is what many small worlds share: the servers, a zone in which each world
// has a name, and for each kind of world OpenDKIM daemons, each of which serves one
// at a time.
type ground struct {
	*site
	worlds  atomic.Int64
	signers map[kind]chan *signertest.OpenDKIM
}

// kind is where a world keeps its keys, and of what algorithm they are: the file
// keystore is tried with RSA keys, Vault with Ed25519 keys, which are made faster.
type kind string

const (
	inFiles kind = "file"
	inVault kind = "vault"
)

const crashZone = "crash.test"

// newGround builds the program with failpoints, and starts the servers for as many
// worlds of each kind at once.
func newGround(t testing.TB, atOnce int) *ground {
	t.Helper()
	g := &ground{signers: map[kind]chan *signertest.OpenDKIM{inFiles: make(chan *signertest.OpenDKIM, atOnce), inVault: make(chan *signertest.OpenDKIM, atOnce)}}
	g.site = newSite(t, buildWith(t, "-tags=failpoints"), nameservertest.StartBIND(t, quickZone(crashZone)))
	for range atOnce {
		g.signers[inFiles] <- signertest.StartOpenDKIM(t)
		g.signers[inVault] <- signertest.StartOpenDKIM(t, "SignatureAlgorithm ed25519-sha256")
	}
	return g
}

// The times of a world: for how long a session with OpenDKIM goes on with the old
// key, and for how long a message verifies after it was signed.
const (
	crashLag   = time.Second
	crashDrain = 2 * time.Second
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
}

func (g *ground) world(t testing.TB, k kind) *world {
	t.Helper()
	w := &world{site: g.site, kind: k, t: t, signer: <-g.signers[k], dir: t.TempDir()}
	t.Cleanup(func() { g.signers[k] <- w.signer })
	w.domain = fmt.Sprintf("d%03d.%s", g.worlds.Add(1), crashZone)
	c := settings{domain: w.domain, keystore: "{ driver: file, path: keys }", signer: w.signer, reload: w.signer.Reload(),
		lag: crashLag, drain: crashDrain, settle: time.Second}
	if k == inVault {
		c.keystore, c.key = g.inVault(), "ed25519"
	}
	w.bot = newBot(t, g.binary, g.configure(t, w.dir, c))
	w.mail = startFlow(t, w.domain, w.signer, g.dns)
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
