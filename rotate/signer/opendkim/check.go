package opendkim

import (
	"context"
	"errors"
	"io/fs"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Check says what is to be asked before the next switch: the reload command, the tables, the key directory,
// and what signs now. Screen asks the first three, too.
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains := preflight.Domains(of)
	signs := "KeyTable and SigningTable as OpenDKIM reads them"
	if s.address != "" {
		signs = "the milter at " + s.cfg.Milter
	}
	return []preflight.Question{
		{What: "reload command " + s.cfg.Reload[0], Ask: func(context.Context) error { return s.checkReload() }},
		{What: "tables " + s.keyTable + " and " + s.signTable, Ask: func(context.Context) error { return s.screenTables() }},
		{What: "key_dir " + s.cfg.KeyDir, Domains: domains,
			Ask: func(context.Context) error { return signer.Partial(s.screenKeyDir(domains), len(domains)) }},
		{What: signs, Domains: domains, Ask: func(ctx context.Context) error {
			_, err := s.Active(ctx, domains)
			return err
		}},
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

// screenKeyDir foresees, for each domain, that no key file could be written, or that OpenDKIM would not
// take it (I1).
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
	if err := safefile.MayGive(o.uid, o.gid); err != nil {
		return all(preflight.Coded(codes.NotWritable, s.fileFault(what, err)))
	}
	dir, err := safefile.OpenDir(s.cfg.KeyDir)
	if errors.Is(err, fs.ErrNotExist) {
		if err = safefile.MayMake(s.cfg.KeyDir); err == nil {
			return nil
		}
	}
	if err != nil {
		return all(preflight.Coded(codes.NotWritable, s.fileFault(what, err)))
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

// screen foresees that a key file of the domain can't be written.
func (d *keyDir) screen(domain string) error {
	sub, err := d.Sub(domain)
	place := d.full(domain)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		place = d.Path()
	case err != nil:
		return d.signer.fileFault("use key directory "+place, d.foreignLink(domain, err))
	default:
		defer sub.Close()
		if err := d.fit(domain, sub); err != nil {
			return err
		}
	}
	if err := safefile.MayMake(place); err != nil {
		return preflight.Coded(codes.NotWritable, d.signer.fileFault("write key files in "+place, err))
	}
	return nil
}
