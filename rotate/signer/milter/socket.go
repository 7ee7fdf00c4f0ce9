package milter

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Socket is where a milter listens. The zero Socket is none. It is safe for concurrent use.
type Socket struct{ Network, Address string }

// At returns the socket of a text in the normal form of Form; none for "".
func At(text string) Socket {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return Socket{"unix", path}
	}
	if text == "" {
		return Socket{}
	}
	return Socket{"tcp", strings.TrimPrefix(text, "inet:")}
}

// None reports whether there is no socket.
func (s Socket) None() bool { return s.Address == "" }

// Form is a milter's socket as opendkim.conf(5) writes it, inet:port@host or
// local:path, or as Postfix does, inet:host:port or unix:path; its normal form is the latter.
func Form() settings.Form { return settings.Form{Name: "socket", Parse: parse} }

func parse(text string, at settings.Place) (string, *settings.Problem) {
	kind, rest, _ := strings.Cut(text, ":")
	switch {
	case filepath.IsAbs(text):
		return "unix:" + filepath.Clean(text), nil
	case (kind == "local" || kind == "unix") && rest != "":
		p, problem := at.Absolute(rest)
		return "unix:" + p, problem
	case kind == "inet":
		if port, host, ok := strings.Cut(rest, "@"); ok {
			rest = net.JoinHostPort(strings.Trim(host, "[]"), port)
		} else if !strings.Contains(rest, ":") {
			rest = "localhost:" + rest
		}
		if host, port, err := settings.HostPort(rest, ""); err == nil {
			return "inet:" + net.JoinHostPort(host, port), nil
		}
	}
	return "", settings.Wrong(
		"is not a milter's socket",
		"write it as Socket stands in opendkim.conf: inet:8891@localhost or local:/run/opendkim/opendkim.sock",
	)
}

// Own claims the milter at a socket in the form of Form: under two names of signers, each would undo what
// the other does. program names it for people.
func Own(text, program string) *settings.Claim {
	if text == "" {
		return nil
	}
	thing := strings.Replace(text, "inet:localhost:", "inet:127.0.0.1:", 1)
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		thing = "unix:" + settings.RealPath(path)
	}
	return &settings.Claim{Things: []string{thing}, Taken: func(by string) *settings.Problem {
		return settings.Wrong(
			fmt.Sprintf("the %s at %s is that of %s already", program, text, by),
			fmt.Sprintf("one %s is one signer: list it once", program),
		)
	}}
}
