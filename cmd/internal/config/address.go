package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// hostPort splits s, where the port and the brackets round an IPv6 address may
// be left out.
func hostPort(s, port string) (string, string, error) {
	if ip, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil && port != "" {
		return ip.String(), port, nil
	}
	host := s
	if strings.Contains(s, ":") || port == "" {
		var err error
		if host, port, err = net.SplitHostPort(s); err != nil {
			return "", "", fmt.Errorf("%q is not host:port", s)
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "", fmt.Errorf("%q is not a port", port)
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return host, port, nil
	}
	host, err := dkim.ParseDomain(host)
	if top := host[strings.LastIndexByte(host, '.')+1:]; err == nil && strings.Trim(top, "0123456789") == "" {
		return "", "", fmt.Errorf("%q is neither an address nor a name", s)
	}
	return host, port, err
}

// address reads host:port; without a port, it is the one given.
func (v value) address(port string) string {
	t, ok := v.text()
	if !ok {
		return ""
	}
	host, port, err := hostPort(t, port)
	if err != nil {
		v.fail(err.Error(), "write an address or a name, and a port: 192.0.2.1:53, [2001:db8::1]:53")
		return ""
	}
	return net.JoinHostPort(host, port)
}

// listen reads an address of this machine, with its port.
func (v value) listen() string {
	t, ok := v.text()
	if !ok {
		return ""
	}
	host, port, err := hostPort(t, "")
	if _, e := netip.ParseAddr(host); err != nil || e != nil && host != "localhost" {
		v.fail(fmt.Sprintf("%q is not an address to listen on", t), "write an address of this machine and a port: 127.0.0.1:15353")
		return ""
	}
	return net.JoinHostPort(host, port)
}

// servers reads a list of host:port; whether hosts may have names, or must be addresses.
func (v value) servers(names bool) []string {
	out := []string{}
	items, _ := v.list()
	for _, item := range items {
		server := item.address("53")
		if server == "" {
			continue
		}
		if _, err := netip.ParseAddrPort(server); err != nil && !names {
			item.fail("is a name", "write the resolver's address: 192.0.2.53")
		}
		out = append(out, server)
	}
	return out
}
