package settings

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Loopback reports whether host is this machine.
func Loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// IsPort reports whether s is the number of a port.
func IsPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// HostPort splits s, where the port and the brackets round an IPv6 address may
// be left out.
func HostPort(s, port string) (string, string, error) {
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
	if !IsPort(port) {
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
