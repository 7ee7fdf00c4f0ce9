package node

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Address reads host:port; without a port, it is the one given.
func (v Value) Address(port string) string {
	t, ok := v.Text()
	if !ok {
		return ""
	}
	host, port, err := settings.HostPort(t, port)
	if err != nil {
		v.Fail(err.Error(), "write an address or a name, and a port: 192.0.2.1:53, [2001:db8::1]:53")
		return ""
	}
	return net.JoinHostPort(host, port)
}

// Listen reads an address of this machine, with its port.
func (v Value) Listen() string {
	t, ok := v.Text()
	if !ok {
		return ""
	}
	host, port, err := settings.HostPort(t, "")
	if _, e := netip.ParseAddr(host); err != nil || e != nil && host != "localhost" {
		v.Fail(fmt.Sprintf("%q is not an address to listen on", t), "write an address of this machine and a port: 127.0.0.1:15353")
		return ""
	}
	return net.JoinHostPort(host, port)
}

// Servers reads a list of host:port; whether hosts may have names, or must be addresses.
func (v Value) Servers(names bool) []string {
	out := []string{}
	items, _ := v.List()
	for _, item := range items {
		server := item.Address("53")
		if server == "" {
			continue
		}
		if _, err := netip.ParseAddrPort(server); err != nil && !names {
			item.Fail("is a name", "write the resolver's address: 192.0.2.53")
		}
		out = append(out, server)
	}
	return out
}
