package config

import (
	"net/netip"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// verifyLayer is what one place says about verification; nil is nothing.
type verifyLayer struct {
	mode        string
	nameservers []string
	resolvers   []string
	timeout     time.Duration
}

// verifyModes are who can be asked.
var verifyModes = []string{"authoritative", "resolvers", "both", "none"}

// Fields implements settings.Settings.
func (l *verifyLayer) Fields() []settings.Field {
	usual := merged()
	return []settings.Field{
		{Key: "mode", Into: &l.mode, Choices: verifyModes, Default: usual.Mode,
			Meaning: "who is asked: every server of the zone, resolvers, both, or none; " +
				"with none, nothing proves that a key is public"},
		{Key: "nameservers", Into: &serverList{&l.nameservers, true}, Form: is("list of host:port"),
			Default: "those of the zone", Meaning: "the authoritative servers to ask, for a hidden primary or split horizon"},
		{Key: "resolvers", Into: &serverList{&l.resolvers, false}, Form: is("list of address:port"),
			Default: "those of the system", Meaning: "the resolvers to ask"},
		{Key: "timeout", Into: &l.timeout, Shortest: time.Second, Default: settings.Brief(usual.Timeout),
			Meaning: "how long a new record may take to show on every server"},
	}
}

// Rules implements settings.Ruled.
func (l *verifyLayer) Rules() []*settings.Problem {
	if l.mode != "none" {
		return nil
	}
	p := settings.Wrong("nothing makes sure that a key can be seen before it is used (I2)",
		"use mode: authoritative where the name servers can be reached", "mode")
	p.Warning = true
	return []*settings.Problem{p}
}

// serverList is a list of name servers. A resolver's name can't be resolved.
type serverList struct {
	into  *[]string
	names bool
}

// ReadValue implements node.Reader.
func (l *serverList) ReadValue(v node.Value) {
	*l.into = []string{}
	items, _ := v.List()
	for _, item := range items {
		server := item.Form(settings.Address("53"))
		if server == "" {
			continue
		}
		if _, err := netip.ParseAddrPort(server); err != nil && !l.names {
			item.Fail("is a name", "write the resolver's address: 192.0.2.53")
		}
		*l.into = append(*l.into, server)
	}
}

func readVerify(s *node.Section) verifyLayer {
	var l verifyLayer
	s.Read(&l, nil)
	s.Done()
	return l
}

func verifyGroup(path string) Group {
	return Group{Path: path, Meaning: "how dkimbot looks for a record after it was published; " +
		"a domain's keys come before its provider's, and these before those at the top", Fields: new(verifyLayer).Fields()}
}

// merged lays the layers over the defaults, the most general one first.
func merged(layers ...verifyLayer) Verify {
	out := Verify{Mode: "authoritative", Nameservers: []string{}, Resolvers: []string{}, Timeout: 2 * time.Minute}
	for _, l := range layers {
		if l.mode != "" {
			out.Mode = l.mode
		}
		if l.nameservers != nil {
			out.Nameservers = slices.Clone(l.nameservers)
		}
		if l.resolvers != nil {
			out.Resolvers = slices.Clone(l.resolvers)
		}
		if l.timeout != 0 {
			out.Timeout = l.timeout
		}
	}
	return out
}
