package config

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
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

func readVerify(s *node.Section) verifyLayer {
	l := verifyLayer{mode: s.Choice("mode", "", verifyModes...)}
	if v := s.Get("mode"); l.mode == "none" {
		v.Warn("nothing makes sure that a key can be seen before it is used (I2)",
			"use mode: authoritative where the name servers can be reached")
	}
	if v, ok := s.Take("nameservers"); ok {
		l.nameservers = v.Servers(true)
	}
	if v, ok := s.Take("resolvers"); ok {
		l.resolvers = v.Servers(false) // a resolver's name can't be resolved
	}
	l.timeout = s.Duration("timeout", 0, time.Second)
	s.Done()
	return l
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
