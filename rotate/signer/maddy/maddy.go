package maddy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Signer is one maddy. It is safe for concurrent use, also by several processes.
type Signer struct {
	cfg   Config
	store *keyfiles.Store
	step  func(operation string) error // tests stop here; nil otherwise
	signer.Others
	signer.Names
}

// New checks cfg; it touches nothing.
func New(cfg Config) (*Signer, error) {
	if err := signer.Check(cfg.Name, &cfg, nil); err != nil {
		return nil, err
	}
	cfg.Lag = cmp.Or(cfg.Lag, defaultLag)
	cfg.RestartTimeout = cmp.Or(cfg.RestartTimeout, time.Minute)
	s := &Signer{cfg: cfg}
	s.store = &keyfiles.Store{Signer: cfg.Name, Program: "maddy", Path: cfg.KeyDir, Owner: cfg.Owner, Group: cfg.Group,
		Trouble: "maddy would not start, or others could replace the keys", Step: func(operation string) error {
			if s.step == nil {
				return nil
			}
			return s.step(operation)
		}}
	return s, nil
}

// defaultLag outlives a message that maddy is taking when it is asked to end.
const defaultLag = time.Minute

// Lag is how long after Activate the last mail may still be signed with the key from before. The drain begins after it.
func (s *Signer) Lag() time.Duration { return s.cfg.Lag }

// imported is the file that maddy.conf imports.
type imported struct {
	keyfiles.Locked
	entries
	was []byte // as it was read
}

// open finds the real file and locks it: other processes don't change it meanwhile (I8).
func (s *Signer) open(ctx context.Context) (*imported, error) {
	p, err := s.store.Table(s.cfg.File, keyfiles.Making)
	if err != nil {
		return nil, err
	}
	f := &imported{Locked: keyfiles.Locked{Place: p}}
	f.LongestHold = 4 * s.cfg.RestartTimeout // the restart and the proof, and the same of going back
	if err = s.store.Lock(ctx, &f.Locked); err == nil {
		err = s.read(f)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// read reads the file, and refuses one that is not dkimbot's, or that maddy's user could not read.
func (s *Signer) read(f *imported) (err error) {
	if f.was, err = f.Place.Read(); err != nil {
		return s.store.Fault("read "+s.cfg.File, err)
	}
	if f.entries, err = parse(f.was); err != nil {
		return &fault.Error{Kind: fault.Refused, Code: codes.ForeignSignerLine, What: "edit " + s.cfg.File,
			Err:  fmt.Errorf("the file is dkimbot's alone, and %w", err),
			Hint: "write those lines in maddy.conf, where the file is imported, and take them out of the file"}
	}
	if f.signer != "" && f.signer != s.cfg.Name && !s.Had(f.signer) {
		return &fault.Error{Kind: fault.Refused, Code: codes.OtherSigner,
			What: "edit " + s.cfg.File + " for signer " + s.cfg.Name, Err: fmt.Errorf("it belongs to signer %q", f.signer),
			Hint: fmt.Sprintf("one maddy is one signer, under one name, in one configuration: call it %s, or, where it was "+
				"renamed, write was: %s for signer %s in the configuration", f.signer, f.signer, s.cfg.Name)}
	}
	f.signer = s.cfg.Name
	o, err := s.store.For()
	if err != nil {
		return err
	}
	if err := keyfiles.LookUp(o.UID).CheckReads(f.Place, "maddy", "it would not start"); err != nil {
		return s.store.FaultOr("use "+s.cfg.File, err)
	}
	return nil
}

// keysThere refuses a restart in which maddy would make a key of its own, or would not start. What gets, which may be
// nil, says of a domain that it gets a file before it.
func (s *Signer) keysThere(f entries, gets func(dkim.Name) bool) error {
	for domain, of := range f.of {
		path := of.file(domain)
		err := holdsKey(path)
		if err != nil && gets != nil && gets(dkim.Name{Domain: domain, Selector: of.selector}) {
			continue
		}
		if err != nil {
			return &fault.Error{Kind: fault.Refused, Code: codes.UnloadableLine,
				What: fmt.Sprintf("restart signer %s, whose %s names key file %s", s.cfg.Name, s.cfg.File, path),
				Err:  fmt.Errorf("%w; maddy would not start, or make a key that nobody has published", err),
				Hint: fmt.Sprintf("put the key back, or run 'dkimbot repair', which writes keys of dkimbot's again; where %s was "+
					"released, write a key of your own in its place in %s", domain, s.cfg.File)}
		}
	}
	return nil
}

// holdsKey returns why a file holds no key.
func holdsKey(path string) error {
	data, err := keyfiles.ReadKey(path)
	if err == nil && keyfiles.KeyIDIn(data) == "" {
		err = errors.New("it holds no private key")
	}
	return err
}

// cantStart reports whether maddy, which does not run, could not start, or would make a key of its own, since a key
// file is missing.
func (s *Signer) cantStart() bool { return fault.CodeOf(s.look(nil)) == codes.UnloadableLine }
