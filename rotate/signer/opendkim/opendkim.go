package opendkim

import (
	"cmp"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Config says where OpenDKIM's files are.
type Config struct {
	Name         string // in messages
	KeyDir       string // absolute; made when missing
	KeyTable     string // absolute path, optionally with the prefix "file:"; made when missing
	SigningTable string // absolute path, optionally with the prefix "refile:" (the default) or "file:"; made when missing

	Reload        []string      // argv of the reload, no shell; empty: none is run
	ReloadTimeout time.Duration // for the reload, and again for the proof to succeed; 30 s when 0
	Lag           time.Duration // see Signer.Lag; 15 minutes when 0

	// Owner and Group of the key files, by name or number: the user that the
	// daemon runs as. When empty, those of KeyDir.
	Owner, Group string
	// Milter is the daemon's socket as Postfix writes it, "inet:127.0.0.1:8891" or "unix:/path". When
	// set, each activation is proved by a probe message; the daemon must count
	// 127.0.0.1 or authenticated senders among those it signs for.
	Milter string
	// AllowUnsafeKeys leaves out the check of the directories, for a daemon
	// that runs with "RequireSafeKeys no".
	AllowUnsafeKeys bool
}

// Signer is one OpenDKIM daemon. It is safe for concurrent use, also by several processes.
type Signer struct {
	cfg        Config
	keyTable   string // paths, without prefix
	signTable  string
	refile     bool // the SigningTable's type
	network    string
	address    string
	beforeStep func(operation string) error // tests stop here; nil otherwise
}

// New checks cfg; it touches nothing.
func New(cfg Config) (*Signer, error) {
	s := &Signer{cfg: cfg, refile: true}
	what := "set up signer " + cfg.Name
	var err error
	if s.keyTable, err = tablePath("key_table", cfg.KeyTable, "file"); err != nil {
		return nil, fault.Lasting(what, err, "write the path of OpenDKIM's KeyTable, as opendkim.conf has it")
	}
	if rest, ok := strings.CutPrefix(cfg.SigningTable, "file:"); ok {
		s.refile, s.signTable = false, rest
	}
	if s.signTable, err = tablePath("signing_table", cmp.Or(s.signTable, cfg.SigningTable), "refile"); err != nil {
		return nil, fault.Lasting(what, err, "write the path of OpenDKIM's SigningTable, as opendkim.conf has it")
	}
	if s.cfg.KeyDir, err = tablePath("key_dir", cfg.KeyDir, "dir"); err != nil {
		return nil, fault.Lasting(what, err, "write the path of a directory that only root and OpenDKIM can read, such as /etc/dkimkeys")
	}
	if s.keyTable == s.signTable {
		return nil, fault.Lasting(what, fmt.Errorf("key_table and signing_table are both %s", s.keyTable), "give each table a file of its own")
	}
	if cfg.Milter != "" {
		if s.network, s.address, err = milterAddress(cfg.Milter); err != nil {
			return nil, fault.Lasting(what, err, "write the milter's address as opendkim.conf has it at Socket: inet:8891@localhost, or unix:/run/opendkim/opendkim.sock")
		}
	}
	s.cfg.ReloadTimeout = cmp.Or(cfg.ReloadTimeout, 30*time.Second)
	s.cfg.Lag = cmp.Or(cfg.Lag, defaultLag)
	return s, nil
}

// tablePath refuses what OpenDKIM would read differently: white space ends a
// field, "#" begins a comment, "%" stands for the sender's domain.
func tablePath(option, path, prefix string) (string, error) {
	p := strings.TrimPrefix(path, prefix+":")
	switch {
	case !filepath.IsAbs(p):
		return "", fmt.Errorf("%s is %q; want an absolute path", option, path)
	case strings.ContainsAny(p, " \t\r\n\v\f#%\x00"):
		return "", fmt.Errorf("%s is %q; OpenDKIM can't use a path with white space, # or %%", option, path)
	}
	return filepath.Clean(p), nil
}

func milterAddress(s string) (network, address string, err error) {
	kind, rest, _ := strings.Cut(s, ":")
	switch kind {
	case "unix", "local":
		if filepath.IsAbs(rest) {
			return "unix", rest, nil
		}
	case "inet":
		if _, _, err := net.SplitHostPort(rest); err == nil {
			return "tcp", rest, nil
		}
	}
	return "", "", fmt.Errorf("milter is %q; want inet:host:port or unix:/path", s)
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
