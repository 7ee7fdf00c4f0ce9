package opendkim

import (
	"cmp"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim/daemon"
)

// Signer is one OpenDKIM daemon. It is safe for concurrent use, also by several processes.
type Signer struct {
	cfg        Config
	keyTable   string // paths, without prefix
	signTable  string
	refile     bool // the SigningTable's type
	socket     milter.Socket
	store      *keyfiles.Store              // the key files
	daemon     *daemon.Daemon               // that gets a signal in place of a reload command
	beforeStep func(operation string) error // tests stop here; nil otherwise
	signer.Others
	signer.Names
}

// New checks cfg; it touches nothing.
func New(cfg Config) (*Signer, error) {
	if err := signer.Check(cfg.Name, &cfg, nil); err != nil {
		return nil, err
	}
	s := &Signer{cfg: cfg, refile: !strings.HasPrefix(cfg.SigningTable, "file:"), keyTable: bare(cfg.KeyTable),
		signTable: bare(cfg.SigningTable), socket: milter.At(cfg.Milter)}
	s.cfg.ReloadTimeout = cmp.Or(cfg.ReloadTimeout, 30*time.Second)
	s.cfg.Lag = cmp.Or(cfg.Lag, defaultLag)
	s.store = s.newStore()
	s.daemon = &daemon.Daemon{Signer: cfg.Name, PIDFile: cmp.Or(cfg.PIDFile, daemon.Usual), Signal: cfg.ReloadSignal}
	return s, nil
}

// defaultLag outlives the SMTP sessions that were open at the switch: the daemon
// takes up new tables with the next connection, and mail servers keep one for a
// session's whole length.
const defaultLag = 15 * time.Minute

// Lag is how long after Activate the last mail may still be signed with the key
// from before, by connections that were open already. The drain begins after it.
func (s *Signer) Lag() time.Duration { return s.cfg.Lag }

// step marks the place between two operations on files.
func (s *Signer) step(operation string) error {
	if s.beforeStep == nil {
		return nil
	}
	return s.beforeStep(operation)
}

// RSAOnly says why it refuses Ed25519 keys, as it is set up.
func (s *Signer) RSAOnly() (why, remedy string) { return s.cfg.RSAOnly() }

// Unmixed says that OpenDKIM signs with its SignatureAlgorithm, whatever the key is.
func (s *Signer) Unmixed() bool { return true }
