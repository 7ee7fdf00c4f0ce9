package opendkim

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"syscall"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// newStore returns the key files of the daemon.
func (s *Signer) newStore() *keyfiles.Store {
	return &keyfiles.Store{Signer: s.cfg.Name, Program: "OpenDKIM", Path: s.cfg.KeyDir, Owner: s.cfg.Owner,
		Group: s.cfg.Group, Likely: s.socketOwner, Unchecked: s.cfg.AllowUnsafeKeys,
		Trouble: "OpenDKIM would turn mail away", Rule: " (RequireSafeKeys)", Step: s.step}
}

// socketOwner is whom keys are for when neither the configuration nor the key directory says.
func (s *Signer) socketOwner() keyfiles.Owner {
	if info, err := os.Stat(s.socket.Address); err == nil && s.socket.Network == "unix" && os.Geteuid() == 0 {
		return keyfiles.OwnerOf(info)
	}
	return keyfiles.Owner{UID: os.Geteuid(), GID: os.Getegid()}
}

func (s *Signer) keyPath(ref dkim.Ref) string { return s.store.File(ref) }

func (s *Signer) fileFault(what string, err error) error { return s.store.Fault(what, err) }

// tables are the places of both tables, locked.
type tables struct {
	key, sign keyfiles.Place
	mark      keyfiles.Place // the marker, beside the KeyTable
	closers   []func()
}

// close gives the locks back.
func (t *tables) close() {
	for _, c := range slices.Backward(t.closers) {
		c()
	}
}

// openTables finds the real files, makes the directories of a first run, and locks both
// tables: other processes, and other signers in this one, don't change them meanwhile,
// whatever names they know them by (I8).
func (s *Signer) openTables(ctx context.Context) (*tables, error) {
	t := &tables{}
	err := t.find(s, keyfiles.Making)
	if err == nil {
		err = t.lock(ctx, s)
	}
	if err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *tables) find(s *Signer, parent keyfiles.Parent) (err error) {
	if err := s.moved(); err != nil {
		return err
	}
	if t.key, err = t.open(s, s.keyTable, parent); err != nil {
		return err
	}
	if t.sign, err = t.open(s, s.signTable, parent); err != nil {
		return err
	}
	t.mark = t.key.Beside(".dkimbot-pending")
	return nil
}

// moved refuses tables while OpenDKIM may sign by others that dkimbot wrote. Where the daemon is asked, it says so.
func (s *Signer) moved() error {
	if !s.socket.None() {
		return nil
	}
	return s.store.Moved(s.keyTable, s.signTable)
}

func (t *tables) open(s *Signer, path string, parent keyfiles.Parent) (keyfiles.Place, error) {
	p, err := s.store.Table(path, parent)
	if err == nil {
		t.closers = append(t.closers, func() { p.Close() })
	}
	return p, err
}

// lock takes both locks in an order that is the same for all, under whatever names they know
// the directories.
func (t *tables) lock(ctx context.Context, s *Signer) error {
	first, second := t.key, t.sign
	switch order := cmp.Or(slices.Compare(numberOf(first), numberOf(second)), cmp.Compare(first.Name, second.Name)); {
	case order == 0:
		return fault.Lasting("use the tables of signer "+s.cfg.Name,
			fmt.Errorf("key_table and signing_table are both %s", t.key.Full()), "give each table a file of its own")
	case order > 0:
		first, second = second, first
	}
	for _, p := range []keyfiles.Place{first, second} {
		p.LongestHold = 3 * s.cfg.ReloadTimeout // the reload, the proof, and what is forgotten
		unlock, err := s.store.LockTable(ctx, p)
		if err != nil {
			return err
		}
		t.closers = append(t.closers, unlock)
	}
	return nil
}

// numberOf is what tells a place's directory from all others, whatever leads there.
func numberOf(p keyfiles.Place) []uint64 {
	info, err := os.Stat(p.Path())
	if err != nil {
		return nil
	}
	st := info.Sys().(*syscall.Stat_t)
	return []uint64{uint64(st.Dev), st.Ino}
}

// checkReadable checks that the daemon can read both tables, as its user: it reads them so
// at each reload, and one that can't be read leaves the old ones in force.
func (b *batch) checkReadable() error {
	o, err := b.store.For()
	if err != nil {
		return err
	}
	if err := b.store.CheckPath(o); err != nil {
		return err
	}
	daemon := keyfiles.LookUp(o.UID)
	for _, p := range []keyfiles.Place{b.key, b.sign} {
		if err := daemon.CheckReads(p, "OpenDKIM", "a reload changes nothing"); err != nil {
			return b.store.FaultOr("use table "+p.Full(), err)
		}
	}
	return nil
}

// Tables returns the tables by which OpenDKIM signs; none where it is asked what it signs with.
func (s *Signer) Tables() []string {
	if !s.socket.None() {
		return nil
	}
	return []string{s.keyTable, s.signTable}
}

// SignedBy says which tables these were before.
func (s *Signer) SignedBy(tables []string) { s.store.Former.Add(tables) }
