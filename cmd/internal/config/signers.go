package config

import (
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Signer is what signs mail, on one host. The settings of its driver are set, the
// other is nil.
type Signer struct {
	Name     string    `json:"name"`
	Driver   string    `json:"driver"` // "opendkim" or "exec"
	OpenDKIM *OpenDKIM `json:"opendkim,omitempty"`
	Exec     *Exec     `json:"exec,omitempty"`
}

// OpenDKIM is an OpenDKIM that reads its tables from files.
type OpenDKIM struct {
	KeyDir        string        `json:"key_dir"`
	KeyTable      string        `json:"key_table"`
	SigningTable  string        `json:"signing_table"`
	Owner         string        `json:"owner"`  // "user" or "user:group" of the key files; "": whoever runs dkimbot
	Reload        []string      `json:"reload"` // makes OpenDKIM read its tables again
	ReloadTimeout time.Duration `json:"reload_timeout"`
	Lag           time.Duration `json:"lag"`
	Milter        Milter        `json:"milter"` // asked after a switch what OpenDKIM signs with; zero: not asked
}

// Milter is the socket of a milter.
type Milter struct {
	Network string `json:"network,omitempty"` // "tcp" or "unix"
	Address string `json:"address,omitempty"`
}

// Exec is a command that makes a signer switch.
type Exec struct {
	Command []string      `json:"command"`
	Timeout time.Duration `json:"timeout"`
	Lag     time.Duration `json:"lag"`
	SendKey bool          `json:"send_key"` // the command is given the private key
}

func (b *builder) readSigner(name string, s *section) Signer {
	out := Signer{Name: name}
	v, ok := s.need("driver", "write driver: opendkim or exec")
	if !ok {
		return out
	}
	out.Driver, ok = v.text()
	switch out.Driver {
	case "opendkim":
		out.OpenDKIM = b.readOpenDKIM(s)
	case "exec":
		out.Exec = readExec(s)
	default:
		if ok {
			v.fail(unknown("driver", out.Driver, []string{"opendkim", "exec"}))
		}
		return out
	}
	s.done()
	return out
}

var ownerForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$`)

func (b *builder) readOpenDKIM(s *section) *OpenDKIM {
	o := &OpenDKIM{
		KeyDir:        s.needFile("key_dir", "write the directory for key files, for example /etc/dkimkeys"),
		KeyTable:      s.needFile("key_table", "write the path of opendkim.conf's KeyTable"),
		SigningTable:  s.needFile("signing_table", "write the path of opendkim.conf's SigningTable (refile:)"),
		ReloadTimeout: s.duration("reload_timeout", 30*time.Second, time.Millisecond),
		Lag:           s.duration("lag", 5*time.Second, 0),
		Owner:         s.text("owner", ""),
	}
	// Two writers of one table, or two tidiers of one directory, would undo each other's work.
	for _, claim := range []struct{ key, path string }{{"key_dir", o.KeyDir}, {"key_table", o.KeyTable}, {"signing_table", o.SigningTable}} {
		if v, ok := s.values[claim.key]; ok {
			b.claim(v, "path", claim.path)
		}
	}
	// OpenDKIM holds its tables in memory: without a reload it would go on with the old selector.
	if v, ok := s.need("reload", `write reload: [systemctl, reload, opendkim], or ["true"] where no OpenDKIM runs`); ok {
		o.Reload = v.command()
	}
	if o.Owner != "" && !ownerForm.MatchString(o.Owner) {
		v := s.values["owner"]
		v.fail("is not user or user:group", "write the user that OpenDKIM runs as: opendkim")
	}
	if v, ok := s.take("milter"); ok {
		o.Milter = v.milter()
	}
	return o
}

// milter reads a socket as opendkim.conf(5) writes it: inet:port@host or local:path.
func (v value) milter() Milter {
	t, ok := v.text()
	if !ok {
		return Milter{}
	}
	kind, rest, _ := strings.Cut(t, ":")
	switch {
	case filepath.IsAbs(t):
		return Milter{"unix", filepath.Clean(t)}
	case (kind == "local" || kind == "unix") && rest != "":
		p, _ := v.absolute(rest)
		return Milter{"unix", p}
	case kind == "inet":
		port, host, ok := strings.Cut(rest, "@")
		if !ok {
			host = "localhost"
		}
		if host, port, err := hostPort(net.JoinHostPort(strings.Trim(host, "[]"), port), ""); err == nil {
			return Milter{"tcp", net.JoinHostPort(host, port)}
		}
	}
	v.fail("is not a milter's socket", "write it as Socket stands in opendkim.conf: inet:8891@localhost or local:/run/opendkim/opendkim.sock")
	return Milter{}
}

func readExec(s *section) *Exec {
	e := &Exec{
		Timeout: s.duration("timeout", 30*time.Second, time.Millisecond),
		Lag:     s.duration("lag", 0, 0),
		SendKey: s.boolean("send_key", false),
	}
	if v, ok := s.need("command", "write program and arguments: [/usr/local/bin/set-selector]"); ok {
		e.Command = v.command()
	}
	return e
}
