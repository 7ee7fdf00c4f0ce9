package config

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Serve says where the daemon answers questions about itself.
type Serve struct {
	Listen string `json:"listen,omitempty"` // host:port, or "unix:" and a path; "": nowhere
	// Hosts are names by which it may be asked, besides addresses and localhost.
	Hosts []string `json:"hosts,omitempty"`
}

// Fields implements settings.Settings.
func (s *Serve) Fields() []settings.Field {
	return []settings.Field{{Key: "listen", Into: &s.Listen, Form: listenForm(),
		Claim: func() *settings.Claim { return settings.Own("address", s.Listen) },
		Meaning: "where the daemon answers: a page for people at /, metrics for Prometheus at /metrics, /livez, " +
			"and /readyz. " +
			"A Unix socket may be asked by the group of its file"},
		{Key: "hosts", Into: &hostList{&s.Hosts}, Form: is("list of names"), Default: "none",
			Meaning: "names by which the page may be asked for at an address, besides the address itself and localhost, as " +
				"that of a proxy in front. It is refused by another name (421), since a web page elsewhere can have a " +
				"browser ask for it. Where listen is a loopback address, so are /metrics, /livez and /readyz"}}
}

// hostList is a list of names of hosts.
type hostList struct{ into *[]string }

// ReadValue implements node.Reader.
func (l *hostList) ReadValue(v node.Value) {
	items, _ := v.List()
	for _, item := range items {
		name := item.Form(settings.Form{Name: "name", Parse: func(text string, _ settings.Place) (string, *settings.Problem) {
			name, err := dkim.ParseDomain(text)
			if err != nil {
				return "", settings.Wrong(fmt.Sprintf("%q is not the name of a host", text),
					"write the name without a port, as it stands in the address bar: status.example.com")
			}
			return name, nil
		}})
		if name != "" {
			*l.into = append(*l.into, name)
		}
	}
}

// Rules implements settings.Ruled.
func (s *Serve) Rules() []*settings.Problem {
	host, _, err := net.SplitHostPort(s.Listen)
	if err != nil || strings.HasPrefix(s.Listen, "unix:") {
		return nil
	}
	if addr, err := netip.ParseAddr(host); err == nil && !addr.IsLoopback() {
		p := settings.Wrong("everyone who reaches "+s.Listen+" can read it, without a password",
			"listen on 127.0.0.1 or on a Unix socket, or let a firewall say who may ask", "listen")
		p.Warning = true
		return []*settings.Problem{p}
	}
	return nil
}

// maxSocket is how long the path of a Unix socket may be, unix(7).
const maxSocket = 107

// listenForm is an address of this machine with its port, or a Unix socket.
func listenForm() settings.Form {
	tcp := settings.Listen()
	return settings.Form{Name: "address:port or unix:/path",
		Parse: func(text string, at settings.Place) (string, *settings.Problem) {
			path, unix := strings.CutPrefix(text, "unix:")
			if !unix {
				return tcp.Parse(text, at)
			}
			if path == "" || strings.HasPrefix(path, "@") {
				return "", settings.Wrong(fmt.Sprintf("%q names no file", text), "write unix: and a path")
			}
			path, problem := at.Absolute(path)
			if problem == nil && len(path) > maxSocket {
				problem = settings.Wrong(fmt.Sprintf("the path of a socket has at most %d bytes", maxSocket),
					"choose a shorter one: unix:/run/dkimbot/serve.sock")
			}
			return "unix:" + path, problem
		}}
}

func serveGroup() Group {
	return Group{Path: "serve", Meaning: "where the daemon answers questions about itself; " +
		"it has no way to change anything",
		Fields: new(Serve).Fields()}
}
