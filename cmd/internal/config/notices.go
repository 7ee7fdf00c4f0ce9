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
	URL     Secret        `json:"url"` // many hold a token
	On      []string      `json:"on"`  // the events that are told
	Timeout time.Duration `json:"timeout"`
}

// Mail says how notices are mailed.
type Mail struct {
	SMTP     string        `json:"smtp"` // host:port
	TLS      string        `json:"tls"`  // "offered", "required", "implicit" or "never"
	CAFile   string        `json:"ca_file,omitempty"`
	Username string        `json:"username,omitempty"`
	Password Secret        `json:"password"`
	From     string        `json:"from"`
	To       []string      `json:"to"`
	On       []string      `json:"on"`
	Timeout  time.Duration `json:"timeout"`
}

// Heartbeat is what is asked for as long as all is well.
type Heartbeat struct {
	URL     Secret        `json:"url"`
	Method  string        `json:"method"` // "GET" or "POST"
	Every   time.Duration `json:"every"`
	Timeout time.Duration `json:"timeout"`
}

// The events that a webhook and mail can be told of.
var (
	noticeEvents  = []string{"failed", "refused", "switched", "rotated"}
	usuallyWanted = []string{"failed", "refused", "rotated"}
)

// longestHook bounds what all hooks before a switch may take together: the
// heart waits for consent a little longer than this.
const longestHook = 4 * time.Minute

func readNotify(s *section, st State) Notify {
	if len(s.values) == 0 {
		return Notify{}
	}
	n := Notify{Hooks: readHooks(s.sub("hooks"))}
	if v, ok := s.take("webhook"); ok {
		n.Webhook = readWebhook(v)
	}
	if v, ok := s.take("mail"); ok {
		n.Mail = readMail(v)
	}
	if v, ok := s.take("heartbeat"); ok {
		n.Heartbeat = readHeartbeat(v)
	}
	if v, ok := s.take("audit"); ok {
		n.Audit = readAudit(v)
	}
	n.Memory = s.file("memory", "")
	if n.Memory == "" && (n.Webhook != nil || n.Mail != nil) {
		n.Memory = filepath.Join(filepath.Dir(st.Path), "notices.json")
	}
	s.done()
	return n
}

func readHooks(s *section) Hooks {
	h := Hooks{BeforeSwitch: s.hooks("before_switch"), After: s.hooks("after"), OnFailure: s.hooks("on_failure")}
	var all time.Duration
	for _, hook := range h.BeforeSwitch {
		all += hook.Timeout
	}
	if v := s.values["before_switch"]; all > longestHook {
		v.fail(fmt.Sprintf("the hooks may take %s together, and a switch does not wait so long", brief(all)), "write time-outs of at most "+brief(longestHook)+" in all")
	}
	s.done()
	return h
}

// hooks reads the list of commands at key.
func (s *section) hooks(key string) []Hook {
	out := []Hook{}
	v, ok := s.take(key)
	if !ok {
		return out
	}
	items, _ := v.list()
	for _, item := range items {
		sub, ok := item.section()
		if !ok {
			continue
		}
		hook := Hook{Timeout: sub.duration("timeout", 30*time.Second, time.Millisecond)}
		if v, ok := sub.need("command", "write program and arguments: [/usr/local/bin/may-switch]"); ok {
			hook.Command = v.command()
		}
		if v := sub.values["timeout"]; hook.Timeout > longestHook {
			v.fail(brief(hook.Timeout)+" is too long for a hook", "want at most "+brief(longestHook)+"; let the command start what takes longer")
		}
		sub.done()
		out = append(out, hook)
	}
	return out
}

func readWebhook(v value) *Webhook {
	s, ok := v.section()
	if !ok {
		return nil
	}
	w := &Webhook{URL: s.secretURL("url"), On: s.events("on"), Timeout: s.duration("timeout", 10*time.Second, time.Millisecond)}
	s.done()
	return w
}

func readHeartbeat(v value) *Heartbeat {
	s, ok := v.section()
	if !ok {
		return nil
	}
	h := &Heartbeat{URL: s.secretURL("url"), Method: s.choice("method", "GET", "GET", "POST"),
		Every: s.duration("every", 5*time.Minute, time.Second), Timeout: s.duration("timeout", 10*time.Second, time.Millisecond)}
	s.done()
	return h
}

func readAudit(v value) string {
	s, ok := v.section()
	if !ok {
		return ""
	}
	path := s.needFile("path", "write where the log is to be kept: path: /var/log/dkimbot/audit.jsonl")
	s.done()
	return path
}

// secretURL reads the address of something that speaks HTTP. It is a secret, since
// whoever knows it can often speak in our name, and never shown (I9).
func (s *section) secretURL(key string) Secret {
	found := s.needSecret(key, "")
	if !found.IsSet() {
		return found
	}
	text, err := found.Read()
	if err != nil {
		return found // reported where it was read first
	}
	line, path := s.at(key+"_file", key+"_env", key)
	switch u, err := url.Parse(text); {
	case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		s.doc.fail(line, path, "is not the address of a web server", "write it like https://hooks.example.com/...")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		s.doc.warn(line, path, "what is told would travel unencrypted, with all that the address holds", "use https")
	}
	return found
}

// events returns the events at key, or those that are usually wanted.
func (s *section) events(key string) []string {
	v, ok := s.take(key)
	if !ok {
		return slices.Clone(usuallyWanted)
	}
	events, at := v.texts()
	for i, e := range events {
		if !slices.Contains(noticeEvents, e) {
			at[i].fail(unknown("event", e, noticeEvents))
		}
	}
	if items, ok := v.list(); ok && len(items) == 0 {
		v.fail("is an empty list", "leave it out to be told of "+strings.Join(usuallyWanted, ", "))
	}
	return events
}

func readMail(v value) *Mail {
	s, ok := v.section()
	if !ok {
		return nil
	}
	m := &Mail{CAFile: s.file("ca_file", ""), Username: s.text("username", ""), On: s.events("on"), Timeout: s.duration("timeout", 30*time.Second, time.Millisecond)}
	if v, ok := s.need("smtp", "write the mail server: smtp: mail.example.com:587"); ok {
		m.SMTP = v.address("25")
	}
	m.TLS = s.choice("tls", m.usualTLS(), "offered", "required", "implicit", "never")
	if m.Username != "" {
		m.Password = s.needSecret("password", "")
		if m.TLS == "offered" || m.TLS == "never" {
			v := s.values["tls"]
			v.fail("a password is sent to nobody who has not proved who he is", "write tls: required, or implicit for port 465")
		}
	}
	if v, ok := s.need("from", "write the sender: from: dkimbot@example.com"); ok {
		m.From = v.mailbox()
	}
	if v, ok := s.need("to", "list who is told: to: [postmaster@example.com]"); ok {
		m.To = v.mailboxes()
	}
	s.done()
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

func (v value) mailboxes() []string {
	var out []string
	items, ok := v.list()
	if ok && len(items) == 0 {
		v.fail("is an empty list", "list who is told: to: [postmaster@example.com]")
	}
	for _, item := range items {
		if m := item.mailbox(); m != "" {
			out = append(out, m)
		}
	}
	return out
}

// mailbox reads a bare address, in ASCII as every server takes it.
func (v value) mailbox() string {
	t, ok := v.text()
	if !ok {
		return ""
	}
	a, err := mail.ParseAddress(t)
	if err != nil || a.Address != t || strings.ContainsFunc(t, func(r rune) bool { return r > 126 }) {
		v.fail("is not a mail address", "write it bare, like postmaster@example.com")
		return ""
	}
	return t
}
