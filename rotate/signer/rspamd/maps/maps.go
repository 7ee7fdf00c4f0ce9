package maps

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/block"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
)

// Config says where rspamd's files are. All paths are absolute.
type Config struct {
	Name         string // in messages
	KeyDir       string // made when missing
	SelectorMap  string
	PathMap      string // "" for none
	Owner, Group string // of the key files, the user that rspamd runs as; when empty, that of KeyDir
	// The maps of the arc module, "" for none.
	ArcSelectorMap, ArcPathMap string
	Lag                        time.Duration // see Signer.Lag; 15 minutes when 0
	Witness                    milter.Witness
}

// Signer is one rspamd. It is safe for concurrent use, also by several processes.
type Signer struct {
	cfg   Config
	store *keyfiles.Store
	step  func(operation string) error // tests stop here; nil otherwise
	now   func() time.Time
	signer.Names
}

// New touches nothing; cfg has been checked.
func New(cfg Config) *Signer {
	cfg.Lag = cmp.Or(cfg.Lag, DefaultLag)
	s := &Signer{cfg: cfg, now: time.Now}
	s.store = Store(cfg.Name, cfg.KeyDir, cfg.Owner)
	s.store.Group = cfg.Group
	s.store.Step = func(operation string) error {
		if s.step == nil {
			return nil
		}
		return s.step(operation)
	}
	return s
}

// Store returns the key directory of an rspamd.
func Store(name, dir, owner string) *keyfiles.Store {
	return &keyfiles.Store{Signer: name, Program: "rspamd", Path: dir, Owner: owner,
		Trouble: "rspamd could not use the keys, or others could replace them"}
}

// NameReader says how to name the user that reads the keys.
const NameReader = "write owner: _rspamd, the user that rspamd runs as, or owner: root"

// DefaultLag is what rspamd may need to see a changed map. Where the kernel reports changes, that is some seconds.
// Where it does not, as on some file systems, rspamd looks once in map_watch_interval, five minutes, and up to twice as
// late (rspamd_map_schedule_periodic).
const DefaultLag = 15 * time.Minute

// Lag is how long after Activate the last mail may still be signed with the key from before. The drain begins after it.
func (s *Signer) Lag() time.Duration { return s.cfg.Lag }

// format is how a map is written.
var format = block.Format{Fields: 2, Last: true}

// template is the name of each key file as rspamd's configuration writes it.
const template = "$domain.$selector.key"

// KeyPath returns where rspamd looks for a selector's key.
func (c Config) KeyPath(n dkim.Name) string { return filepath.Join(c.KeyDir, fileName(n)) }

// fileName returns the name of a selector's key file.
func fileName(n dkim.Name) string { return n.Domain + "." + n.Selector + ".key" }

// ruled is a map and what our lines in it say.
type ruled struct {
	keyfiles.Place
	block.Table
	path  string            // in the configuration
	lines map[string]string // as rspamd reads them
}

// maps are all maps of the signer, the first of them locked.
type maps struct {
	paths, selectors []*ruled // of dkim_signing, then of arc
	notes            *notes
	reads            map[string]bool // key files that the maps have rspamd read: one that holds no key is written again
	unlock           func()
}

func (m *maps) all() []*ruled { return slices.Concat(m.paths, m.selectors) }

func (m *maps) close() {
	if m.unlock != nil {
		m.unlock()
	}
	for _, r := range m.all() {
		r.Place.Close()
	}
}

// open finds the real files, locks them and reads them: other processes don't change them meanwhile, whatever names
// they know them by (I8).
func (s *Signer) open(ctx context.Context) (*maps, error) {
	m, err := s.find(keyfiles.Making)
	if err != nil {
		return nil, err
	}
	first := m.selectors[0].Place
	if m.unlock, err = s.store.LockTable(ctx, first); err != nil {
		m.close()
		return nil, err
	}
	if err := s.read(m); err != nil {
		m.close()
		return nil, err
	}
	return m, nil
}

func (s *Signer) find(parent keyfiles.Parent) (*maps, error) {
	if err := s.moved(); err != nil {
		return nil, err
	}
	m := &maps{reads: map[string]bool{}}
	for i, path := range []string{s.cfg.PathMap, s.cfg.ArcPathMap, s.cfg.SelectorMap, s.cfg.ArcSelectorMap} {
		if path == "" {
			continue
		}
		p, err := s.store.Table(path, parent)
		if err != nil {
			m.close()
			return nil, err
		}
		r := &ruled{Place: p, path: path}
		if i < 2 {
			m.paths = append(m.paths, r)
		} else {
			m.selectors = append(m.selectors, r)
		}
	}
	return m, nil
}

// names returns the maps of the configuration.
func (s *Signer) names() []string {
	return slices.DeleteFunc([]string{s.cfg.PathMap, s.cfg.ArcPathMap, s.cfg.SelectorMap, s.cfg.ArcSelectorMap},
		func(path string) bool { return path == "" })
}

// moved refuses maps while rspamd may sign by others that dkimbot wrote. Where its milter is asked, it says so.
func (s *Signer) moved() error {
	if s.cfg.Witness.Milter != "" {
		return nil
	}
	return s.store.Moved(s.names()...)
}

// read reads and cuts the maps, and refuses what rspamd's user could not read.
func (s *Signer) read(m *maps) error {
	o, err := s.store.For()
	if err != nil {
		return err
	}
	for _, r := range m.all() {
		data, err := r.Place.Read()
		if err != nil {
			return s.store.Fault("read map "+r.path, err)
		}
		if err := isMap(r.path, data); err != nil {
			return err
		}
		r.lines = entries(data)
		if r.Table, err = format.Parse(data); err != nil {
			return block.Damaged(r.path, err)
		}
		if err := r.Claim(s.cfg.Name, s.Had, "rspamd", r.path); err != nil {
			return err
		}
		if err := keyfiles.LookUp(o.UID).CheckReads(r.Place, "rspamd", "it keeps what it has read before"); err != nil {
			return s.store.FaultOr("use map "+r.path, err)
		}
	}
	m.notes, err = s.readNotes(m.selectors[0].Place)
	return err
}

// Tables returns the maps by which rspamd signs; none where it is asked what it signs with.
func (s *Signer) Tables() []string {
	if s.cfg.Witness.Milter != "" {
		return nil
	}
	return s.names()
}

// SignedBy says which maps these were before.
func (s *Signer) SignedBy(tables []string) { s.store.Former.Add(tables) }
