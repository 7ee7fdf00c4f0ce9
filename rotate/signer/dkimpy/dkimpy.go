package dkimpy

import (
	"cmp"
	"context"
	"maps"
	"time"

	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/block"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// Signer is one dkimpy-milter. It is safe for concurrent use, also by several processes.
type Signer struct {
	cfg    Config
	socket milter.Socket
	store  *keyfiles.Store
	step   func(operation string) error // tests stop here; nil otherwise
	signer.Others
	signer.Names
}

const program = "dkimpy-milter"

// New checks cfg; it touches nothing.
func New(cfg Config) (*Signer, error) {
	if err := signer.Check(cfg.Name, &cfg, nil); err != nil {
		return nil, err
	}
	cfg.Lag = cmp.Or(cfg.Lag, defaultLag)
	cfg.RestartTimeout = cmp.Or(cfg.RestartTimeout, time.Minute)
	s := &Signer{cfg: cfg, socket: milter.At(cfg.Milter)}
	s.store = &keyfiles.Store{Signer: cfg.Name, Program: program, Path: cfg.KeyDir, Owner: cfg.Owner, Group: cfg.Group,
		Text: keyfiles.SeedText, Trouble: "dkimpy-milter would not start, or others could replace the keys",
		Step: func(operation string) error {
			if s.step == nil {
				return nil
			}
			return s.step(operation)
		}}
	return s, nil
}

// defaultLag outlives what the mail server has had signed and not put into its queue yet. Connections to the daemon
// that are open end with it.
const defaultLag = time.Minute

// Lag is how long after Activate the last mail may still be signed with the key from before. The drain begins after it.
func (s *Signer) Lag() time.Duration { return s.cfg.Lag }

// format is how tables are written; the daemon keeps the last line of a key.
var format = block.Format{Fields: 2, Last: true}

// table is one file.
type table struct {
	keyfiles.Place
	block.Table
	path string
	data []byte            // as it stands there
	was  []byte            // as it was read
	old  map[string]string // our lines, as they were read
	lost map[string]bool   // those of them that lead to a key file that is lost
}

// tables are the files of a signer, locked.
type tables struct {
	signing, rsa, ed *table // ed is nil where there is none
	silent           bool   // no restart: the daemon signs with what is written, and with what is lost here of others
	unlock           func()
}

// all returns them in the order in which they are written.
func (t *tables) all() []*table {
	if t.ed == nil {
		return []*table{t.rsa, t.signing}
	}
	return []*table{t.rsa, t.ed, t.signing}
}

// texts returns what stands in them.
func (t *tables) texts() (out [][]byte) {
	for _, each := range t.all() {
		out = append(out, each.data)
	}
	return out
}

// keyed returns the tables of keys.
func (t *tables) keyed() []*table { return t.all()[:len(t.all())-1] }

func (t *tables) close() {
	if t.unlock != nil {
		t.unlock()
	}
	for _, each := range []*table{t.signing, t.rsa, t.ed} {
		if each != nil {
			each.Place.Close()
		}
	}
}

// open finds the real files and locks them by the SigningTable: other processes don't change them meanwhile (I8).
func (s *Signer) open(ctx context.Context) (*tables, error) {
	t, err := s.find(keyfiles.Making)
	if err != nil {
		return nil, err
	}
	p := t.signing.Place
	p.LongestHold = 4 * s.cfg.RestartTimeout // the restart and the proof, and the same of going back
	if t.unlock, err = s.store.LockTable(ctx, p); err != nil {
		t.close()
		return nil, err
	}
	if err := s.read(t); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (s *Signer) find(parent keyfiles.Parent) (*tables, error) {
	t := &tables{}
	for _, f := range []struct {
		path string
		into **table
	}{{s.cfg.SigningTable, &t.signing}, {s.cfg.KeyTable, &t.rsa}, {s.cfg.KeyTableEd25519, &t.ed}} {
		if f.path == "" {
			continue
		}
		p, err := s.store.Table(f.path, parent)
		if err != nil {
			t.close()
			return nil, err
		}
		*f.into = &table{Place: p, path: f.path}
	}
	return t, nil
}

// read reads and cuts the tables, and refuses those with which the daemon would not start or sign.
func (s *Signer) read(t *tables) (err error) {
	for _, each := range t.all() {
		if each.data, err = each.Place.Read(); err != nil {
			return s.store.Fault("read table "+each.path, err)
		}
		each.was = each.data
		if each.Table, err = format.Parse(each.data); err != nil {
			return block.Damaged(each.path, err)
		}
		each.old, each.lost = maps.Clone(each.Ours), map[string]bool{}
		if err := each.Claim(s.cfg.Name, s.Had, program, each.path); err != nil {
			return err
		}
		if err := loadable(each, each != t.signing); err != nil {
			return err
		}
	}
	o, err := s.store.For()
	if err != nil {
		return err
	}
	for _, each := range t.all() {
		if err := keyfiles.LookUp(o.UID).CheckReads(each.Place, program, "it would not start"); err != nil {
			return s.store.FaultOr("use table "+each.path, err)
		}
	}
	return nil
}

// RSAOnly says why it refuses Ed25519 keys, as it is set up.
func (s *Signer) RSAOnly() (why, remedy string) { return s.cfg.RSAOnly() }
