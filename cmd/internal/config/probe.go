package config

import (
	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate/probe"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// readProbe reads how mail of a signer is looked at, if it is.
func (b *builder) readProbe(signer string, s *node.Section) {
	v, ok := s.Take("probe")
	if !ok {
		return
	}
	sub, ok := v.Section()
	if !ok {
		return
	}
	p := probe.Defaults()
	receive := sub.Sub("receive")
	receive.Read(&p.Receive, b.claims)
	receive.Done()
	sub.Read(p, b.claims)
	sub.Done()
	if b.Probes == nil {
		b.Probes = map[string]probe.Config{}
	}
	b.Probes[signer] = *p
}

func probeGroups() []Group {
	p := probe.Defaults()
	receive := settings.Field{Key: "receive", Form: is("group of keys"), Need: "needed",
		Meaning: "where the message comes back: listen, maildir or imap"}
	return []Group{
		{Path: "signers.NAME.probe", Meaning: "mail as the proof: a message is sent through the signer and looked at, " +
			"at each switch and before a key is replaced", Fields: append(p.Fields(), receive)},
		{Path: "signers.NAME.probe.receive", Meaning: "where the message comes back", Fields: p.Receive.Fields()},
	}
}
