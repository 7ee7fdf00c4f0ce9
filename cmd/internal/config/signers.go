package config

import (
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate/settings"
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
	KeyTable      string        `json:"key_table"`     // a path, with "file:" before it if the configuration says so
	SigningTable  string        `json:"signing_table"` // the same; with "refile:" too
	Owner         string        `json:"owner"`         // of the key files; "": that of KeyDir
	Group         string        `json:"group"`         // the same
	Reload        []string      `json:"reload"`        // makes OpenDKIM read its tables again
	ReloadTimeout time.Duration `json:"reload_timeout"`
	Lag           time.Duration `json:"lag"`    // 0: the driver's default
	Milter        string        `json:"milter"` // "inet:host:port" or "unix:/path", asked after a switch; "": not asked
	AllowUnsafe   bool          `json:"allow_unsafe_keys"`
}

// Exec is a command that makes a signer switch.
type Exec struct {
	Command []string      `json:"command"`
	Timeout time.Duration `json:"timeout"`
	Lag     time.Duration `json:"lag"`
	SendKey bool          `json:"send_key"` // the command is given the private key
}

func (b *builder) readSigner(name string, s *node.Section) Signer {
	out := Signer{Name: name}
	v, ok := s.Need("driver", "write driver: opendkim or exec")
	if !ok {
		return out
	}
	out.Driver, ok = v.Text()
	switch out.Driver {
	case "opendkim":
		out.OpenDKIM = b.readOpenDKIM(s)
	case "exec":
		out.Exec = readExec(s)
	default:
		if ok {
			v.Fail(node.Unknown("driver", out.Driver, []string{"opendkim", "exec"}))
		}
		return out
	}
	s.Done()
	return out
}

var ownerForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?$`)

func (b *builder) readOpenDKIM(s *node.Section) *OpenDKIM {
	o := &OpenDKIM{
		KeyDir:        s.NeedFile("key_dir", "write the directory for key files, for example /etc/dkimkeys"),
		KeyTable:      table(s, "key_table", "write the path of opendkim.conf's KeyTable", "file:"),
		SigningTable:  table(s, "signing_table", "write the path of opendkim.conf's SigningTable", "refile:", "file:"),
		ReloadTimeout: s.Duration("reload_timeout", 30*time.Second, time.Millisecond),
		Lag:           s.Duration("lag", 0, time.Millisecond),
		AllowUnsafe:   s.Boolean("allow_unsafe_keys", false),
	}
	// Two writers of one table, or two tidiers of one directory, would undo each other's work.
	for _, claim := range []struct{ key, path string }{{"key_dir", o.KeyDir}, {"key_table", o.KeyTable}, {"signing_table", o.SigningTable}} {
		kind := max(0, strings.IndexByte(claim.path, '/')) // "refile:" or none; a path may hold a colon itself
		if v := s.Get(claim.key); s.Has(claim.key) {
			b.claimFile(v, claim.path[kind:])
		}
	}
	// OpenDKIM holds its tables in memory: without a reload it would go on with the old selector.
	if v, ok := s.Need("reload", `write reload: [systemctl, reload, opendkim], or ["true"] where no OpenDKIM runs`); ok {
		o.Reload = v.Command()
	}
	owner := s.Text("owner", "")
	if owner != "" && !ownerForm.MatchString(owner) {
		v := s.Get("owner")
		v.Fail("is not user or user:group", "write the user that OpenDKIM runs as: opendkim")
	}
	o.Owner, o.Group, _ = strings.Cut(owner, ":")
	if v, ok := s.Take("milter"); ok {
		o.Milter = milter(v)
		b.claimMilter(v, o.Milter)
	} else if len(o.Reload) > 0 && o.Reload[0] != "true" {
		s.Doc.Warn(s.Line, s.Join("milter"), "is missing: nothing proves that OpenDKIM has taken up a switch, and one that has not goes on with a key that will be replaced",
			"write milter: inet:8891@localhost, as Socket stands in opendkim.conf")
	}
	return o
}

// table returns the path at key, made absolute behind the prefix that it may have.
func table(s *node.Section, key, remedy string, prefixes ...string) string {
	v, ok := s.Need(key, remedy)
	if !ok {
		return ""
	}
	t, ok := v.Text()
	if !ok {
		return ""
	}
	kind := ""
	for _, prefix := range prefixes {
		if strings.HasPrefix(t, prefix) {
			kind = prefix
			break
		}
	}
	t = strings.TrimPrefix(t, kind)
	if before, _, ok := strings.Cut(t, ":"); ok && !strings.Contains(before, "/") {
		v.Fail(fmt.Sprintf("a table of the kind %s: can't be written", before), "use a flat file: a path, with or without "+strings.Join(prefixes, " or "))
		return ""
	}
	path, _ := v.Absolute(t)
	return kind + path
}

// milter reads a socket as opendkim.conf(5) writes it, inet:port@host or
// local:path, or as Postfix does, inet:host:port or unix:path, and returns the latter form.
func milter(v node.Value) string {
	t, ok := v.Text()
	if !ok {
		return ""
	}
	kind, rest, _ := strings.Cut(t, ":")
	switch {
	case filepath.IsAbs(t):
		return "unix:" + filepath.Clean(t)
	case (kind == "local" || kind == "unix") && rest != "":
		p, _ := v.Absolute(rest)
		return "unix:" + p
	case kind == "inet":
		if port, host, ok := strings.Cut(rest, "@"); ok {
			rest = net.JoinHostPort(strings.Trim(host, "[]"), port)
		} else if !strings.Contains(rest, ":") {
			rest = "localhost:" + rest
		}
		if host, port, err := settings.HostPort(rest, ""); err == nil {
			return "inet:" + net.JoinHostPort(host, port)
		}
	}
	v.Fail("is not a milter's socket", "write it as Socket stands in opendkim.conf: inet:8891@localhost or local:/run/opendkim/opendkim.sock")
	return ""
}

func readExec(s *node.Section) *Exec {
	e := &Exec{
		Timeout: s.Duration("timeout", 30*time.Second, time.Millisecond),
		Lag:     s.Duration("lag", 0, 0),
		SendKey: s.Boolean("send_key", false),
	}
	if v, ok := s.Need("command", "write program and arguments: [/usr/local/bin/set-selector]"); ok {
		e.Command = v.Command()
	}
	return e
}
