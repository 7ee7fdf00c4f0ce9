package haraka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Signer is one Haraka. It is safe for concurrent use, also by several processes.
type Signer struct {
	cfg   Config
	store *keyfiles.Store
	step  func(operation string) error // tests stop here; nil otherwise
	signer.Names
}

// New checks cfg; it touches nothing.
func New(cfg Config) (*Signer, error) {
	if err := signer.Check(cfg.Name, &cfg, nil); err != nil {
		return nil, err
	}
	cfg.Lag = cmp.Or(cfg.Lag, defaultLag)
	s := &Signer{cfg: cfg}
	s.store = &keyfiles.Store{Signer: cfg.Name, Program: "Haraka", Path: filepath.Join(cfg.Config, "dkim"),
		Owner: cfg.Owner, Group: cfg.Group, Likely: s.likely, Owns: owns,
		Trouble: "Haraka could not use the keys, or others could replace them", Step: func(operation string) error {
			if s.step == nil {
				return nil
			}
			return s.step(operation)
		}}
	return s, nil
}

// likely is whom keys are for when the configuration does not say.
func (s *Signer) likely() keyfiles.Owner {
	if info, err := os.Stat(s.cfg.Config); err == nil {
		return keyfiles.OwnerOf(info)
	}
	return keyfiles.Owner{UID: os.Geteuid(), GID: os.Getegid()}
}

// knowsReader refuses the first key where nothing says who has to read it.
func (s *Signer) knowsReader() error {
	return (&keyfiles.Store{Signer: s.cfg.Name, Program: "Haraka", Path: s.cfg.Config, Owner: s.cfg.Owner}).
		KnowsReader(nameReader)
}

// reread is how long after a change Haraka reads a file again, with room for a busy machine.
const reread = 15 * time.Second

// defaultLag outlives that, and a message that is being signed.
const defaultLag = time.Minute

// Lag is how long after Activate the last mail may still be signed with the key from before. The drain begins after it.
func (s *Signer) Lag() time.Duration { return s.cfg.Lag }

// path is the file that Haraka reads before all others.
func (s *Signer) path() string { return filepath.Join(s.cfg.Config, "smtp.json") }

// file is smtp.json, locked.
type file struct {
	keyfiles.Locked
	*overrides
}

// open finds the real file and locks it: other processes don't change it meanwhile (I8).
func (s *Signer) open(ctx context.Context) (*file, error) {
	f, err := s.find()
	if err != nil {
		return nil, err
	}
	f.LongestHold = 2 * reread
	if err = s.store.Lock(ctx, &f.Locked); err == nil {
		err = s.read(f)
	}
	if err == nil {
		err = s.store.Tidy(f.Place)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (s *Signer) find() (*file, error) {
	if err := s.store.Moved(s.path()); err != nil {
		return nil, err
	}
	p, err := s.store.Table(s.path(), keyfiles.Existing)
	return &file{Locked: keyfiles.Locked{Place: p}}, err
}

// read reads and cuts the file, and refuses what Haraka, or its user, could not read.
func (s *Signer) read(f *file) error {
	data, err := f.Place.Read()
	if err != nil {
		return s.store.Fault("read "+s.path(), err)
	}
	if f.overrides, err = s.parse(data); err != nil {
		return err
	}
	if f.signer != "" && f.signer != s.cfg.Name && !s.Had(f.signer) {
		return &fault.Error{Kind: fault.Refused, Code: codes.OtherSigner,
			What: "edit " + s.path() + " for signer " + s.cfg.Name,
			Err:  fmt.Errorf("what dkimbot wrote there belongs to signer %q", f.signer),
			Hint: fmt.Sprintf("call it %s, or let only one of them change the file; "+
				"where it was renamed, write was: %s for signer %s in the configuration", f.signer, f.signer, s.cfg.Name)}
	}
	f.signer = s.cfg.Name
	return s.fits(f)
}

func (s *Signer) parse(data []byte) (*overrides, error) {
	o, err := parse(data)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Refused, Code: codes.DamagedBlock, What: "read " + s.path(), Err: err,
			Hint: "correct it: Haraka would continue with what it has read before, and start without keys"}
	}
	return o, nil
}

// fits refuses a file that Haraka would not read, or not in this way.
func (s *Signer) fits(f *file) error {
	yaml := filepath.Join(s.cfg.Config, "smtp.yaml")
	_, there, err := f.There()
	if err != nil {
		return s.store.Fault("use "+s.path(), err)
	}
	if _, err := os.Lstat(yaml); !there && !errors.Is(err, os.ErrNotExist) {
		return &fault.Error{Kind: fault.Refused, Code: codes.ForeignSignerLine, What: "make " + s.path(),
			Err:  fmt.Errorf("%s is what Haraka reads, and would not any more beside a smtp.json", yaml),
			Hint: "write what it holds as smtp.json, and move it away"}
	}
	o, err := s.store.For()
	if err != nil {
		return err
	}
	if err := keyfiles.LookUp(o.UID).CheckReads(f.Place, "Haraka", "it would start without keys"); err != nil {
		return s.store.FaultOr("use "+s.path(), err)
	}
	return nil
}

// RSAOnly says why it refuses Ed25519 keys, as it is set up.
func (s *Signer) RSAOnly() (why, remedy string) { return s.cfg.RSAOnly() }

// Tables returns the file by which Haraka signs.
func (s *Signer) Tables() []string { return []string{s.path()} }

// SignedBy says which file that was before.
func (s *Signer) SignedBy(tables []string) { s.store.Former.Add(tables) }

// owns says which signer wrote what a file like smtp.json has of dkimbot's; "" where it has nothing.
func owns(data []byte) string {
	if o, err := parse(data); err == nil && len(o.ours) > 0 {
		return o.signer
	}
	return ""
}
