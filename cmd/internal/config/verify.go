package config

import (
	"slices"
	"time"
)

// verifyLayer is what one place says about verification; nil is nothing.
type verifyLayer struct {
	mode        string
	nameservers []string
	resolvers   []string
	timeout     time.Duration
}

func readVerify(s *section) verifyLayer {
	l := verifyLayer{mode: s.choice("mode", "", "authoritative", "resolvers", "both", "none")}
	if v := s.values["mode"]; l.mode == "none" {
		v.warn("nothing makes sure that a key can be seen before it is used (I2)", "use mode: authoritative where the name servers can be reached")
	}
	if v, ok := s.take("nameservers"); ok {
		l.nameservers = v.servers(true)
	}
	if v, ok := s.take("resolvers"); ok {
		l.resolvers = v.servers(false) // a resolver's name can't be resolved
	}
	l.timeout = s.duration("timeout", 0, time.Second)
	s.done()
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
