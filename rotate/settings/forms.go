package settings

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
)

// Place is where a value stands: paths are relative to it. The zero Place has no relative paths.
type Place struct {
	Dir string // absolute
}

// Absolute returns the absolute path that is meant by p.
func (at Place) Absolute(p string) (string, *Problem) {
	switch {
	case p == "~" || strings.HasPrefix(p, "~/"):
		return "", Wrong("begins with ~, which means nothing here", "write the whole path")
	case filepath.IsAbs(p):
		return filepath.Clean(p), nil
	case at.Dir == "":
		return "", Wrong(fmt.Sprintf("%q is not an absolute path", p), "write the whole path")
	}
	return filepath.Join(at.Dir, p), nil
}

// Path returns the form of a path.
func Path() Form {
	return Form{"path", func(text string, at Place) (string, *Problem) { return at.Absolute(text) }}
}

// Address returns the form of a host and a port; without a port, it is the one given.
func Address(port string) Form {
	return Form{"host:port", func(text string, _ Place) (string, *Problem) {
		host, port, err := HostPort(text, port)
		if err != nil {
			return "", Wrong(err.Error(), "write an address or a name, and a port: 192.0.2.1:53, [2001:db8::1]:53")
		}
		return net.JoinHostPort(host, port), nil
	}}
}

// Listen returns the form of an address of this machine with its port.
func Listen() Form {
	return Form{"address:port", func(text string, _ Place) (string, *Problem) {
		host, port, err := HostPort(text, "")
		if _, e := netip.ParseAddr(host); err != nil || e != nil && host != "localhost" {
			return "", Wrong(
				fmt.Sprintf("%q is not an address to listen on", text),
				"write an address of this machine and a port: 127.0.0.1:15353",
			)
		}
		return net.JoinHostPort(host, port), nil
	}}
}
