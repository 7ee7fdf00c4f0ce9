package config

import (
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Notify says who is told of what happens, and who is asked before a switch. What
// is nil or empty is not wanted.
type Notify struct {
	Hooks     Hooks      `json:"hooks"`
	Webhook   *Webhook   `json:"webhook,omitempty"`
	Mail      *Mail      `json:"mail,omitempty"`
	Heartbeat *Heartbeat `json:"heartbeat,omitempty"`
	Audit     string     `json:"audit,omitempty"`  // path of the audit log
	Memory    string     `json:"memory,omitempty"` // path of the file that remembers what was told
}

// Hooks are the commands that are run, in their order.
type Hooks struct {
	BeforeSwitch []Hook `json:"before_switch"` // each of them can veto
	After        []Hook `json:"after"`
	OnFailure    []Hook `json:"on_failure"`
}

// Hook is one command.
type Hook struct {
	Command []string      `json:"command"`
	Timeout time.Duration `json:"timeout"`
}

// Webhook is where notices are posted.
type Webhook struct {
	URL     settings.Secret `json:"url"` // many hold a token
	On      []string        `json:"on"`  // the events that are told
	Timeout time.Duration   `json:"timeout"`
}

// Mail says how notices are mailed.
type Mail struct {
	SMTP     string          `json:"smtp"` // host:port
	TLS      string          `json:"tls"`  // "offered", "required", "implicit" or "never"
	CAFile   string          `json:"ca_file,omitempty"`
	Username string          `json:"username,omitempty"`
	Password settings.Secret `json:"password"`
	From     string          `json:"from"`
	To       []string        `json:"to"`
	On       []string        `json:"on"`
	Timeout  time.Duration   `json:"timeout"`
}

// Heartbeat is what is asked for as long as all is well.
type Heartbeat struct {
	URL     settings.Secret `json:"url"`
	Method  string          `json:"method"` // "GET" or "POST"
	Every   time.Duration   `json:"every"`
	Timeout time.Duration   `json:"timeout"`
}

// The events that a webhook and mail can be told of.
var (
	noticeEvents  = []string{"failed", "refused", "switched", "rotated"}
	usuallyWanted = []string{"failed", "refused", "rotated"}
)

// longestHook bounds what all hooks before a switch may take together: the
// heart waits for consent a little longer than this.
const longestHook = 4 * time.Minute

func readNotify(s *node.Section, st State) Notify {
	if s.Empty() {
		return Notify{}
	}
	n := Notify{Hooks: readHooks(s.Sub("hooks"))}
	if v, ok := s.Take("webhook"); ok {
		n.Webhook = readWebhook(v)
	}
	if v, ok := s.Take("mail"); ok {
		n.Mail = readMail(v)
	}
	if v, ok := s.Take("heartbeat"); ok {
		n.Heartbeat = readHeartbeat(v)
	}
	if v, ok := s.Take("audit"); ok {
		n.Audit = readAudit(v)
	}
	n.Memory = s.File("memory", "")
	if n.Memory == "" && (n.Webhook != nil || n.Mail != nil) {
		n.Memory = filepath.Join(filepath.Dir(st.Path), "notices.json")
	}
	s.Done()
	return n
}

func readHooks(s *node.Section) Hooks {
	h := Hooks{BeforeSwitch: hooks(s, "before_switch"), After: hooks(s, "after"), OnFailure: hooks(s, "on_failure")}
	var all time.Duration
	for _, hook := range h.BeforeSwitch {
		all += hook.Timeout
	}
	if v := s.Get("before_switch"); all > longestHook {
		v.Fail(fmt.Sprintf("the hooks may take %s together, and a switch does not wait so long", settings.Brief(all)),
			"write time-outs of at most "+settings.Brief(longestHook)+" in all")
	}
	s.Done()
	return h
}

// hooks reads the list of commands at key.
func hooks(s *node.Section, key string) []Hook {
	out := []Hook{}
	v, ok := s.Take(key)
	if !ok {
		return out
	}
	items, _ := v.List()
	for _, item := range items {
		sub, ok := item.Section()
		if !ok {
			continue
		}
		hook := Hook{Timeout: sub.Duration("timeout", 30*time.Second, time.Millisecond)}
		if v, ok := sub.Need("command", "write program and arguments: [/usr/local/bin/may-switch]"); ok {
			hook.Command = v.Command()
		}
		if v := sub.Get("timeout"); hook.Timeout > longestHook {
			v.Fail(settings.Brief(hook.Timeout)+" is too long for a hook", "want at most "+settings.Brief(longestHook)+
				"; let the command start what takes longer")
		}
		sub.Done()
		out = append(out, hook)
	}
	return out
}

func readWebhook(v node.Value) *Webhook {
	s, ok := v.Section()
	if !ok {
		return nil
	}
	w := &Webhook{URL: secretURL(s, "url"), On: events(s, "on"),
		Timeout: s.Duration("timeout", 10*time.Second, time.Millisecond)}
	s.Done()
	return w
}

func readHeartbeat(v node.Value) *Heartbeat {
	s, ok := v.Section()
	if !ok {
		return nil
	}
	h := &Heartbeat{URL: secretURL(s, "url"), Method: s.Choice("method", "GET", "GET", "POST"),
		Every:   s.Duration("every", 5*time.Minute, time.Second),
		Timeout: s.Duration("timeout", 10*time.Second, time.Millisecond)}
	s.Done()
	return h
}

func readAudit(v node.Value) string {
	s, ok := v.Section()
	if !ok {
		return ""
	}
	path := s.NeedFile("path", "write where the log is to be kept: path: /var/log/dkimbot/audit.jsonl")
	s.Done()
	return path
}

// secretURL reads the address of something that speaks HTTP. It is a secret, since
// whoever knows it can often speak in our name, and never shown (I9).
func secretURL(s *node.Section, key string) settings.Secret {
	found := s.NeedSecret(key, "")
	if !found.IsSet() {
		return found
	}
	text, err := found.Read()
	if err != nil {
		return found // reported where it was read first
	}
	line, path := s.At(key+"_file", key+"_env", key)
	switch u, err := url.Parse(text); {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		s.Doc.Fail(line, path, "is not the address of a web server", "write it like https://hooks.example.com/...")
	case u.Port() != "" && !settings.IsPort(u.Port()):
		s.Doc.Fail(line, path, "has a port that does not exist", "write a port from 1 to 65535, or none")
	case u.Scheme == "http" && !settings.Loopback(u.Hostname()):
		s.Doc.Warn(line, path, "what is told would travel unencrypted, with all that the address holds", "use https")
	}
	return found
}

// events returns the events at key, or those that are usually wanted.
func events(s *node.Section, key string) []string {
	v, ok := s.Take(key)
	if !ok {
		return slices.Clone(usuallyWanted)
	}
	events, at := v.Texts()
	for i, e := range events {
		if !slices.Contains(noticeEvents, e) {
			at[i].Fail(settings.Unknown("event", e, noticeEvents))
		}
	}
	if items, ok := v.List(); ok && len(items) == 0 {
		v.Fail("is an empty list", "leave it out to be told of "+strings.Join(usuallyWanted, ", "))
	}
	return events
}

// mailTLS are the ways to encrypt a connection to a mail server, or not to.
var mailTLS = []string{"offered", "required", "implicit", "never"}

func readMail(v node.Value) *Mail {
	s, ok := v.Section()
	if !ok {
		return nil
	}
	m := &Mail{CAFile: s.File("ca_file", ""), Username: s.Text("username", ""), On: events(s, "on"),
		Timeout: s.Duration("timeout", 30*time.Second, time.Millisecond)}
	if v, ok := s.Need("smtp", "write the mail server: smtp: mail.example.com:587"); ok {
		m.SMTP = v.Address("25")
	}
	m.TLS = s.Choice("tls", m.usualTLS(), mailTLS...)
	if m.Username != "" {
		m.Password = s.NeedSecret("password", "")
		if m.TLS == "offered" || m.TLS == "never" {
			v := s.Get("tls")
			v.Fail("a password is sent only to a server that has proved its name", "write tls: required, or implicit for port 465")
		}
	}
	if v, ok := s.Need("from", "write the sender: from: dkimbot@example.com"); ok {
		m.From = mailbox(v)
	}
	if v, ok := s.Need("to", "list who is told: to: [postmaster@example.com]"); ok {
		m.To = mailboxes(v)
	}
	s.Done()
	return m
}

// usualTLS is what a server of that kind wants: submission by password needs TLS
// (RFC 8314 section 3.3), and between hosts it is taken where it is offered.
func (m *Mail) usualTLS() string {
	_, port, _ := net.SplitHostPort(m.SMTP)
	switch {
	case port == "465":
		return "implicit"
	case m.Username != "":
		return "required"
	}
	return "offered"
}

func mailboxes(v node.Value) []string {
	var out []string
	items, ok := v.List()
	if ok && len(items) == 0 {
		v.Fail("is an empty list", "list who is told: to: [postmaster@example.com]")
	}
	for _, item := range items {
		if m := mailbox(item); m != "" {
			out = append(out, m)
		}
	}
	return out
}

// mailbox reads a bare address, in ASCII as every server takes it.
func mailbox(v node.Value) string {
	t, ok := v.Text()
	if !ok {
		return ""
	}
	a, err := mail.ParseAddress(t)
	if err != nil || a.Address != t || strings.ContainsFunc(t, func(r rune) bool { return r > 126 }) {
		v.Fail("is not a mail address", "write it bare, like postmaster@example.com")
		return ""
	}
	return t
}
