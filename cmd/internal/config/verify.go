package config

import (
	"slices"
	"time"
)

// verifyLayer is what one place says about verification; nil is nothing.
type verifyLayer struct {
	mode        *value
	modeText    string
	nameservers []string
	resolvers   []string
	timeout     time.Duration
}

func readVerify(s *section) verifyLayer {
	l := verifyLayer{modeText: s.choice("mode", "", "authoritative", "resolvers", "both", "none")}
	if v, ok := s.values["mode"]; ok {
		l.mode = &v
	}
	if v, ok := s.take("nameservers"); ok {
		l.nameservers = v.addresses()
	}
	if v, ok := s.take("resolvers"); ok {
		l.resolvers = v.addresses()
	}
	l.timeout = s.duration("timeout", 0, time.Second)
	s.done()
	return l
}

// merged lays the layers over the defaults, the most general one first, and
// checks that what comes out makes sense.
func merged(layers ...verifyLayer) Verify {
	out := Verify{Mode: "authoritative", Nameservers: []string{}, Resolvers: []string{}, Timeout: 2 * time.Minute}
	var mode *value
	for _, l := range layers {
		if l.modeText != "" {
			out.Mode, mode = l.modeText, l.mode
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
	switch {
	case (out.Mode == "resolvers" || out.Mode == "both") && len(out.Resolvers) == 0:
		mode.fail("mode "+out.Mode+" needs resolvers, and there are none", "write resolvers: [192.0.2.53], or mode: authoritative")
	case out.Mode == "none":
		mode.warn("nothing makes sure that a key can be seen before it is used (I2)", "use mode: authoritative where the name servers can be reached")
	}
	return out
}
