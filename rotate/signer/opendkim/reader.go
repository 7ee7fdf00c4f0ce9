package opendkim

import (
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

const nameReader = "write owner: opendkim, the user that OpenDKIM runs as (UserID in opendkim.conf), or owner: " +
	"root where it has none"

// asks reports that a probe message shows whether OpenDKIM can read its keys, or that no OpenDKIM runs.
func (c *Config) asks() bool { return c.Milter != "" || !c.reloads() }

// reloads reports that a daemon is asked to read its tables.
func (c *Config) reloads() bool {
	return c.ReloadSignal != "" || len(c.Reload) > 0 && c.Reload[0] != "true"
}

// readerRule wants to know who has to read the key files, where no probe message shows it.
func (c *Config) readerRule() []*settings.Problem {
	if c.asks() {
		return nil
	}
	return (&keyfiles.Store{Program: "OpenDKIM", Path: c.KeyDir, Owner: c.Owner}).ReaderRule(nameReader)
}

// knowsReader refuses the first key where readerRule has a word.
func (s *Signer) knowsReader() error {
	if s.cfg.asks() {
		return nil
	}
	return s.store.KnowsReader(nameReader)
}
