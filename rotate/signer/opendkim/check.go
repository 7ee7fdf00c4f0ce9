package opendkim

import (
	"context"
	"fmt"

	"github.com/dkimbot/dkimbot/rotate/preflight"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim/flatfile"
)

// Check says what is to be asked before the next switch: the reload command, the tables, the key directory,
// what signs now, and whether this process may write all that. Screen asks the first three, too.
func (s *Signer) Check(of []preflight.Subject) []preflight.Question {
	domains := preflight.Domains(of)
	signs := "KeyTable and SigningTable as OpenDKIM reads them"
	if !s.socket.None() {
		signs = "the milter at " + s.cfg.Milter
	}
	reload := "pid_file " + s.daemon.PIDFile
	if s.cfg.ReloadSignal == "" {
		reload = "reload command " + s.cfg.Reload[0]
	}
	return []preflight.Question{
		{What: reload, Ask: func(context.Context) error { return s.checkReload() }},
		{What: "key_dir " + s.cfg.KeyDir, Domains: domains,
			Ask: func(context.Context) error { return signer.Partial(s.screenKeyDir(domains), len(domains)) }},
		{What: "tables " + s.keyTable + " and " + s.signTable, Ask: func(context.Context) error { return s.screenTables() },
			Found: s.noPattern},
		{What: signs, Domains: domains, Ask: func(ctx context.Context) error {
			if _, err := s.Active(ctx, domains); err != nil {
				return err
			}
			return signer.Counting(s.cfg.Name, s.Overruled(ctx, domains), len(domains))
		}},
		{What: "right to write tables", Rights: true, Disk: true, Ask: func(context.Context) error { return s.mayWriteTables() }},
		{What: "right to write key files", Rights: true, Disk: true, Domains: domains,
			Ask: func(context.Context) error { return signer.Partial(s.store.MayWrite(domains), len(domains)) }},
	}
}

// noPattern says which lines of the KeyTable would keep OpenDKIM from starting if opendkim.conf has that table as a
// refile, which it reads as patterns; "" for none. dkimbot does not see which of both it is.
func (s *Signer) noPattern() string {
	data, _ := keyfiles.ReadTable(s.keyTable) // Ask says what is wrong with it
	for l := range flatfile.Numbered(data, true) {
		if err := checkPattern(l.Key); err != nil {
			return fmt.Sprintf("warning: line %d of %s: %v. Where opendkim.conf has KeyTable refile:, OpenDKIM does not "+
				"start with that line: write KeyTable file: there, or correct the line", l.Number, s.keyTable, err)
		}
	}
	return ""
}

// mayWriteTables foresees that the tables can't be replaced, or the lock and the marker beside them not be made.
func (s *Signer) mayWriteTables() error {
	for _, table := range []string{s.keyTable, s.signTable} {
		if err := s.store.MayReplace("table", table); err != nil {
			return err
		}
	}
	return nil
}

// screenKeyDir foresees, for each domain, that OpenDKIM would not take a key file (I1).
func (s *Signer) screenKeyDir(domains []string) map[string]error {
	err := s.knowsReader()
	if err == nil {
		return s.store.Screen(domains)
	}
	failed := map[string]error{}
	for _, domain := range domains {
		failed[domain] = err
	}
	return failed
}
