package opendkim

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Check says what is to be asked before the next switch: the reload command, the tables, the key directory,
// what signs now, and whether this process may write all that. Screen asks the first three, too.
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains := preflight.Domains(of)
	signs := "KeyTable and SigningTable as OpenDKIM reads them"
	if s.address != "" {
		signs = "the milter at " + s.cfg.Milter
	}
	return []preflight.Question{
		{What: "reload command " + s.cfg.Reload[0], Ask: func(context.Context) error { return s.checkReload() }},
		{What: "key_dir " + s.cfg.KeyDir, Domains: domains,
			Ask: func(context.Context) error { return signer.Partial(s.screenKeyDir(domains), len(domains)) }},
		{What: "tables " + s.keyTable + " and " + s.signTable, Ask: func(context.Context) error { return s.screenTables() }},
		{What: signs, Domains: domains, Ask: func(ctx context.Context) error {
			_, err := s.Active(ctx, domains)
			return err
		}},
		{What: "right to write tables", Rights: true, Ask: func(context.Context) error { return s.mayWriteTables() }},
		{What: "right to write key files", Rights: true, Domains: domains,
			Ask: func(context.Context) error { return signer.Partial(s.mayWriteKeys(domains), len(domains)) }},
	}
}

// mayWriteTables foresees that the tables can't be replaced, or the lock and the marker beside them not be made.
func (s *Signer) mayWriteTables() error {
	for _, table := range []string{s.keyTable, s.signTable} {
		if err := safefile.MayReplace(realPath(table)); err != nil {
			return preflight.Coded(codes.NotWritable, s.fileFault("write table "+table, err))
		}
	}
	return nil
}

// mayWriteKeys foresees, for each domain, that no key file can be written, or be given to OpenDKIM's user.
func (s *Signer) mayWriteKeys(domains []string) map[string]error {
	failed := map[string]error{}
	for _, domain := range domains {
		place := filepath.Join(s.cfg.KeyDir, domain)
		err := safefile.MayMake(place)
		if o, unknown := s.keyOwner(); err == nil && unknown == nil { // else that is told already
			err = safefile.MayGive(o.uid, o.gid)
		}
		if err != nil && !errors.Is(err, syscall.ENOTDIR) {
			failed[domain] = preflight.Coded(codes.NotWritable, s.fileFault("write key files in "+place, err))
		}
	}
	return failed
}

// screenKeyDir foresees, for each domain, that OpenDKIM would not take a key file (I1).
func (s *Signer) screenKeyDir(domains []string) map[string]error {
	all := func(err error) map[string]error {
		out := map[string]error{}
		for _, domain := range domains {
			out[domain] = err
		}
		return out
	}
	if err := s.knowsReader(); err != nil {
		return all(err)
	}
	o, err := s.keyOwner()
	if err != nil {
		return all(err)
	}
	what := "use key_dir " + s.cfg.KeyDir
	if !s.cfg.AllowUnsafeKeys {
		if err := checkSafe(s.cfg.KeyDir, o.uid); err != nil {
			return all(withKind(what, err, s))
		}
	}
	dir, err := safefile.OpenDir(s.cfg.KeyDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return all(s.fileFault(what, err))
	}
	defer dir.Close()
	d := &keyDir{Dir: dir, signer: s, owner: o, daemon: lookUpUser(o.uid)}
	failed := map[string]error{}
	for _, domain := range domains {
		if err := d.screen(domain); err != nil {
			failed[domain] = err
		}
	}
	return failed
}

// screen foresees that OpenDKIM would not take a key file of the domain.
func (d *keyDir) screen(domain string) error {
	sub, err := d.Sub(domain)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return d.signer.fileFault("use key directory "+d.full(domain), d.foreignLink(domain, err))
	}
	defer sub.Close()
	return d.fit(domain, sub)
}
