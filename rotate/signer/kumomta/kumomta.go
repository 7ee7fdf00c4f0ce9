package kumomta

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"time"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/block"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Signer is one KumoMTA. It is safe for concurrent use, also by several processes.
type Signer struct {
	cfg   Config
	store *keyfiles.Store
	vault signer.Vault
	step  func(operation string) error // tests stop here; nil otherwise
	signer.Names
}

// New checks cfg; it touches nothing.
func New(cfg Config) (*Signer, error) {
	if err := signer.Check(cfg.Name, &cfg, nil); err != nil {
		return nil, err
	}
	cfg.Lag = cmp.Or(cfg.Lag, defaultLag)
	if cfg.Keys == inVault {
		cfg.Mount, cfg.Path = cmp.Or(cfg.Mount, "secret"), cmp.Or(cfg.Path, "dkim")
	}
	s := &Signer{cfg: cfg, store: store(cfg)}
	s.store.Step = func(operation string) error {
		if s.step == nil {
			return nil
		}
		return s.step(operation)
	}
	return s, nil
}

func store(cfg Config) *keyfiles.Store {
	return &keyfiles.Store{Signer: cfg.Name, Program: "KumoMTA", Path: cfg.KeyDir, Owner: cfg.Owner, Group: cfg.Group,
		Trouble: "KumoMTA could not use the keys, or others could replace them"}
}

// defaultLag is how long KumoMTA keeps a data file, a signer that was made of it, and a key, five minutes each.
const defaultLag = 15 * time.Minute

// Lag is how long after Activate the last mail may still be signed with the key from before. The drain begins after it.
func (s *Signer) Lag() time.Duration { return s.cfg.Lag }

// UseVault hands in what reaches Vault.
func (s *Signer) UseVault(v signer.Vault) { s.vault = v }

// format is how dkimbot's block is written: one table, and an inline table for each domain.
var format = block.Format{Fields: 13, Last: true, Head: "[domain]"}

// line is what our block says of a key, below the domain in quotes.
func (s *Signer) line(k dkim.SigningKey) string {
	algo := "sha256"
	if k.Public().Bits() == 256 {
		algo = "ed25519"
	}
	return fmt.Sprintf("= { selector = %q, algo = %q, filename = %q }", k.Selector, algo, s.place(k.Ref()))
}

// place is where KumoMTA is to find a key: a file, or a path in Vault.
func (s *Signer) place(ref dkim.Ref) string {
	if s.cfg.Keys == inVault {
		return path.Join(s.cfg.Path, ref.Domain, ref.Selector)
	}
	return s.store.File(ref)
}

// table is the data file, locked.
type table struct {
	keyfiles.Locked
	block.Table
	data    []byte
	foreign document // what stands outside of our block
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
	if err := s.store.Moved(s.cfg.File); err != nil {
		return nil, err
	}
	p, err := s.store.Table(s.cfg.File, parent)
	return &table{Locked: keyfiles.Locked{Place: p}}, err
}

// read reads and cuts the file, and refuses what KumoMTA, or its user, could not read.
func (s *Signer) read(t *table) (err error) {
	if t.data, err = t.Place.Read(); err != nil {
		return s.store.Fault("read data file "+s.cfg.File, err)
	}
	if t.Table, err = format.Parse(t.data); err != nil {
		return block.Damaged(s.cfg.File, err)
	}
	if err := t.Claim(s.cfg.Name, s.Had, "KumoMTA", s.cfg.File); err != nil {
		return err
	}
	if t.foreign, err = parse(t.Foreign); err != nil {
		return s.refused(err)
	}
	if err := s.elsewhere(t.foreign); err != nil {
		return err
	}
	if s.cfg.Keys == inVault && s.cfg.Owner == "" {
		return nil
	}
	o, err := s.store.For()
	if err != nil {
		return err
	}
	if err := keyfiles.LookUp(o.UID).CheckReads(t.Place, "KumoMTA", "it would take no mail"); err != nil {
		return s.store.FaultOr("use data file "+s.cfg.File, err)
	}
	return nil
}

// refused is the fault of a file that KumoMTA does not take.
func (s *Signer) refused(err error) error {
	return &fault.Error{Kind: fault.Refused, Code: codes.ForeignSignerLine,
		What: fmt.Sprintf("use data file %s of signer %s", s.cfg.File, s.cfg.Name),
		Err:  fmt.Errorf("KumoMTA would refuse all of it: %w", err),
		Hint: "correct that line, or let dkimbot have a file of its own, which dkim_sign:setup lists last"}
}

// elsewhere refuses a file that sends KumoMTA to another place for keys.
func (s *Signer) elsewhere(d document) error {
	mount := d.base.text("vault_mount")
	switch {
	case mount == "" || s.cfg.Keys == inVault && mount == s.cfg.Mount:
		return nil
	case s.cfg.Keys == inVault:
		return s.refusedBase(fmt.Errorf("its base says vault_mount = %q, and the signer %q", mount, s.cfg.Mount),
			"make both the mount of the keystore")
	}
	return s.refusedBase(errors.New("its base has vault_mount: each filename is then a path in Vault"),
		"write keys: vault at the signer, or take vault_mount out")
}

func (s *Signer) refusedBase(err error, hint string) error {
	return &fault.Error{Kind: fault.Refused, Code: codes.ForeignSignerLine,
		What: fmt.Sprintf("use data file %s of signer %s", s.cfg.File, s.cfg.Name), Err: err, Hint: hint}
}

// clash refuses a domain of which the file says something outside of our block: a table can't be given twice, and a
// second signature in its name would be made.
func (s *Signer) clash(t *table, domain string) error {
	says := ""
	if _, twice := t.foreign.domain[domain]; twice {
		says = fmt.Sprintf("it has a table domain.%q", domain)
	}
	if names := t.foreign.also(domain); len(names) > 0 {
		says = fmt.Sprintf("its additional_signatures sign it in its own name, too: %s", names[0])
	}
	if says == "" {
		return nil
	}
	return &fault.Error{Kind: fault.Refused, Code: codes.ForeignSignerLine,
		What: fmt.Sprintf("switch %s on signer %s", domain, s.cfg.Name),
		Err:  fmt.Errorf("data file %s: %s", s.cfg.File, says),
		Hint: "move the table to another data file, which dkim_sign:setup lists before this one; " +
			"its selector, algo and filename then count no longer"}
}

// quoted is a domain as a key in TOML.
func quoted(domain string) string { return strconv.Quote(domain) }

// Tables returns the table by which the program signs.
func (s *Signer) Tables() []string { return []string{s.cfg.File} }

// SignedBy says which table that was before.
func (s *Signer) SignedBy(tables []string) { s.store.Former.Add(tables) }
