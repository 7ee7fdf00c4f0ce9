package config

import (
	"net"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

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

func usualMail() *Mail { return &Mail{On: slices.Clone(usuallyWanted), Timeout: 30 * time.Second} }

// mailTLS are the ways to encrypt a connection to a mail server, or not to.
var mailTLS = []string{"offered", "required", "implicit", "never"}

// Fields implements settings.Settings.
func (m *Mail) Fields() []settings.Field {
	return []settings.Field{
		{Key: "smtp", Into: &m.SMTP, Form: settings.Address("25"), Need: "write the mail server: smtp: mail.example.com:587",
			Meaning: "the mail server; port 25 unless it names another"},
		{Key: "tls", Into: &m.TLS, Choices: mailTLS,
			Default: "required with a username, implicit at port 465, else offered",
			Meaning: "whether the connection is encrypted"},
		{Key: "ca_file", Into: &m.CAFile, Form: settings.Path(), Default: "the system's",
			Meaning: "the certificates that the server's must lead to"},
		{Key: "username", Into: &m.Username, Meaning: "the name to log in with"},
		{Key: "from", Into: &m.From, Form: mailbox, Need: "write the sender: from: dkimbot@example.com", Meaning: "the sender"},
		{Key: "to", Into: (*mailboxList)(&m.To), Form: is("list of addresses"),
			Need: "list who is notified: to: [postmaster@example.com]", Meaning: "the recipients"},
		wanted(&m.On), patience(&m.Timeout, nil),
	}
}

// Rules implements settings.Ruled.
func (m *Mail) Rules() []*settings.Problem {
	if m.Username == "" || m.TLS != "offered" && m.TLS != "never" {
		return nil
	}
	return []*settings.Problem{settings.Wrong("a password is sent only to a server that has proved its name",
		"write tls: required, or implicit for port 465", "tls")}
}

// password is needed with a user's name, and no key without one.
func (m *Mail) password() settings.Field {
	return settings.Field{Key: "password", Into: &m.Password, Need: "give password_file or password_env",
		Meaning: "the password; needed with a username"}
}

// mailLogin is the settings of one who logs in.
type mailLogin struct{ *Mail }

// Fields implements settings.Settings.
func (l mailLogin) Fields() []settings.Field { return []settings.Field{l.password()} }

// Rules implements settings.Ruled.
func (mailLogin) Rules() []*settings.Problem { return nil }

// Further returns what is read when the other keys are known, nil for nothing.
func (m *Mail) Further() settings.Settings {
	m.TLS = m.tls()
	if m.Username == "" {
		return nil
	}
	return mailLogin{m}
}

// tls returns what a server of that kind wants where nothing is said: submission by password needs
// TLS (RFC 8314 section 3.3), and between hosts it is taken where it is offered.
func (m *Mail) tls() string {
	_, port, _ := net.SplitHostPort(m.SMTP)
	switch {
	case m.TLS != "":
		return m.TLS
	case port == "465":
		return "implicit"
	case m.Username != "":
		return "required"
	}
	return "offered"
}

// mailbox is the form of a bare address, in ASCII as every server takes it.
var mailbox = settings.Form{Name: "address", Parse: func(text string, _ settings.Place) (string, *settings.Problem) {
	a, err := mail.ParseAddress(text)
	if err != nil || a.Address != text || strings.ContainsFunc(text, func(r rune) bool { return r > 126 }) {
		return "", settings.Wrong("is not a mail address", "write it bare, like postmaster@example.com")
	}
	return text, nil
}}

// mailboxList is a list of addresses.
type mailboxList []string

// ReadValue implements node.Reader.
func (l *mailboxList) ReadValue(v node.Value) {
	items, ok := v.List()
	if ok && len(items) == 0 {
		v.Fail("is an empty list", "list who is notified: to: [postmaster@example.com]")
	}
	for _, item := range items {
		if m := item.Form(mailbox); m != "" {
			*l = append(*l, m)
		}
	}
}
