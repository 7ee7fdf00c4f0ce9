package exim

import (
	"cmp"
	"context"
	"time"

	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/block"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Signer is one Exim. It is safe for concurrent use, also by several processes.
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
	s.store = &keyfiles.Store{Signer: cfg.Name, Program: "Exim", Path: cfg.KeyDir, Owner: cfg.Owner, Group: cfg.Group,
		Trouble: "Exim could not use the keys, or others could replace them", Step: func(operation string) error {
			if s.step == nil {
				return nil
			}
			return s.step(operation)
		}}
	return s, nil
}

// defaultLag outlives a delivery that has looked the domain up before the switch and tries one host after the other.
const defaultLag = 15 * time.Minute

// Lag is how long after Activate the last mail may still be signed with the key from before. The drain begins after it.
func (s *Signer) Lag() time.Duration { return s.cfg.Lag }

// format is how the lookup file is written; Exim takes the first line of a domain.
var format = block.Format{Colon: true, Fields: 3}

// table is the lookup file, locked.
type table struct {
	keyfiles.Locked
	block.Table
	data []byte
}

// open finds the real file and locks it: other processes don't change it meanwhile, whatever name they know it by (I8).
func (s *Signer) open(ctx context.Context) (*table, error) {
	t, err := s.find(keyfiles.Making)
	if err != nil {
		return nil, err
	}
	if err = s.store.Lock(ctx, &t.Locked); err == nil {
		err = s.read(t)
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

func (s *Signer) find(parent keyfiles.Parent) (*table, error) {
	if err := s.store.Moved(s.cfg.Table); err != nil {
		return nil, err
	}
	p, err := s.store.Table(s.cfg.Table, parent)
	return &table{Locked: keyfiles.Locked{Place: p}}, err
}

// read reads and cuts the table, and refuses what Exim, or its user, could not read.
func (s *Signer) read(t *table) (err error) {
	if t.data, err = t.Place.Read(); err != nil {
		return s.store.Fault("read table "+s.cfg.Table, err)
	}
	if t.Table, err = format.Parse(t.data); err != nil {
		return block.Damaged(s.cfg.Table, err)
	}
	if err := t.Claim(s.cfg.Name, s.Had, "Exim", s.cfg.Table); err != nil {
		return err
	}
	if err := continued(s.cfg.Table, t.Foreign); err != nil {
		return err
	}
	// With lines of ours Exim has signed already: an odd line of others then stops no switch, be it away from
	// a compromised key.
	if len(t.Ours) == 0 {
		if err := otherwise(s.cfg.Table, t.Foreign); err != nil {
			return err
		}
	}
	o, err := s.store.For()
	if err != nil {
		return err
	}
	if err := keyfiles.LookUp(o.UID).CheckReads(t.Place, "Exim", "mail would be deferred"); err != nil {
		return s.store.FaultOr("use table "+s.cfg.Table, err)
	}
	return nil
}

// Tables returns the table by which the program signs.
func (s *Signer) Tables() []string { return []string{s.cfg.Table} }

// SignedBy says which table that was before.
func (s *Signer) SignedBy(tables []string) { s.store.Former.Add(tables) }
