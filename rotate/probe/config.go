package probe

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Config says how mail is sent through a signer, and where it comes back.
type Config struct {
	Submit   string          `json:"submit"` // smtp://host:port or smtps://host:port
	Username string          `json:"username,omitempty"`
	Password settings.Secret `json:"password,omitzero"`
	CAFile   string          `json:"ca_file,omitempty"`
	From     string          `json:"from"`         // with {domain} in the place of the domain
	To       string          `json:"to,omitempty"` // "" for the usual one of a listener
	Timeout  time.Duration   `json:"timeout"`
	Receive  Receive         `json:"receive"`
}

// Receive says where messages come back: one of Listen, Maildir and IMAP is set.
type Receive struct {
	Listen   string          `json:"listen,omitempty"`  // address:port
	Maildir  string          `json:"maildir,omitempty"` // absolute path
	IMAP     string          `json:"imap,omitempty"`    // imaps://host:port or imap://host:port
	Mailbox  string          `json:"mailbox,omitempty"`
	Username string          `json:"username,omitempty"`
	Password settings.Secret `json:"password,omitzero"`
	CAFile   string          `json:"ca_file,omitempty"`
}

// Usual is what counts where the configuration says nothing.
const (
	usualFrom    = "dkimbot-probe@{domain}"
	usualTo      = "dkimbot@probe.invalid"
	usualTimeout = time.Minute
	mostTimeout  = 4 * time.Minute // a step of a rotation takes five at most
)

// Defaults returns what counts where the configuration says nothing.
func Defaults() *Config {
	return &Config{From: usualFrom, Timeout: usualTimeout, Receive: Receive{Mailbox: "INBOX"}}
}

// Fields returns the keys of the section, but for those of receive.
func (c *Config) Fields() []settings.Field {
	return []settings.Field{
		{
			Key:  "submit",
			Into: &c.Submit,
			Need: "write the mail server whose mail the signer signs: submit: smtp://mx1.example.com:587",
			Form: serverForm("smtp", "587", "smtps", "465"),
			Meaning: "the mail server that the message is given to; with a username over TLS, which smtps has at once and " +
				"smtp by STARTTLS. On this machine the certificate counts only where ca_file names its authority, " +
				"and without ca_file a server that offers no STARTTLS is given the login as it is: set it where others " +
				"could take the server's port",
		},
		{Key: "username", Into: &c.Username, Meaning: "the name to log in with"},
		{Key: "password", Into: &c.Password, Meaning: "the password"},
		authorityField(&c.CAFile),
		{
			Key:     "from",
			Into:    &c.From,
			Form:    addressForm(true),
			Meaning: "the sender; {domain} is the domain that is to sign",
		},
		{
			Key:     "to",
			Into:    &c.To,
			Form:    addressForm(false),
			Default: usualTo + " with listen",
			Meaning: "the recipient, whose mail the server delivers to where receive says",
		},
		{
			Key:      "timeout",
			Into:     &c.Timeout,
			Shortest: time.Second,
			Meaning:  "how long a message may take to arrive, and a signer to sign as it should",
		},
	}
}

// Fields returns the keys of receive.
func (r *Receive) Fields() []settings.Field {
	return []settings.Field{
		{
			Key:     "listen",
			Into:    &r.Listen,
			Form:    listenForm,
			Meaning: "the address on which dkimbot itself takes the message by SMTP, while it waits for one",
		},
		{Key: "maildir", Into: &r.Maildir, Form: settings.Path(), Meaning: "the mailbox, a Maildir on this machine"},
		{
			Key:  "imap",
			Into: &r.IMAP,
			Form: serverForm("imap", "143", "imaps", "993"),
			Meaning: "the server of the mailbox; over TLS, which imaps has at once and imap by STARTTLS; on this machine " +
				"imap needs none",
		},
		{Key: "mailbox", Into: &r.Mailbox, Meaning: "imap: the folder"},
		{Key: "username", Into: &r.Username, Meaning: "imap: the name to log in with"},
		{Key: "password", Into: &r.Password, Meaning: "imap: the password"},
		authorityField(&r.CAFile),
	}
}

func authorityField(into *string) settings.Field {
	return settings.Field{Key: "ca_file", Into: into, Form: settings.Path(), Default: "the system's",
		Meaning: "the certificates that the server's must lead to"}
}

// Rules returns what is wrong with several keys together.
func (c *Config) Rules() (out []*settings.Problem) {
	if c.Username != "" && !c.Password.IsSet() {
		out = append(out, settings.Wrong("is given without a password", "write password_file: FILE", "username"))
	}
	if c.Username == "" && c.Password.IsSet() {
		out = append(out, settings.Wrong("is given without a username", "write username, or take the password out",
			"password", "password_file", "password_env"))
	}
	if c.Timeout > mostTimeout {
		out = append(out, settings.Wrong(settings.Brief(c.Timeout)+
			" is too long: a step of a rotation takes five minutes at most",
			"want at most "+settings.Brief(mostTimeout), "timeout"))
	}
	if c.To == "" && c.Receive.Listen == "" && (c.Receive.Maildir != "" || c.Receive.IMAP != "") {
		out = append(out, settings.Wrong("is missing", "write the address whose mail arrives in the mailbox", "to"))
	}
	return out
}

// Rules returns what is wrong with several keys together.
func (r *Receive) Rules() (out []*settings.Problem) {
	given := 0
	for _, way := range []string{r.Listen, r.Maildir, r.IMAP} {
		if way != "" {
			given++
		}
	}
	if given != 1 {
		out = append(out, settings.Wrong("none of listen, maildir and imap is given, or several are",
			`write where the message comes back: listen: ":2525", maildir: /PATH, or imap: imaps://HOST`,
			"imap", "maildir", "listen"))
	}
	switch {
	case r.IMAP != "" && (r.Username == "" || !r.Password.IsSet()):
		out = append(out, settings.Wrong("needs a username and a password", "write username and password_file", "imap"))
	case r.IMAP == "" && (r.Username != "" || r.Password.IsSet()):
		out = append(out, settings.Wrong("means nothing without imap", "leave it out",
			"username", "password", "password_file", "password_env"))
	}
	return out
}

// to returns the recipient.
func (c *Config) to() string {
	if c.To == "" {
		return usualTo
	}
	return c.To
}

// serverForm is that of a server's address, with or without TLS from the start.
func serverForm(plain, port, secure, securePort string) settings.Form {
	return settings.Form{Name: plain + "://host:port",
		Parse: func(text string, _ settings.Place) (string, *settings.Problem) {
			wrong := settings.Wrong("is not a server's address", "write "+plain+"://HOST:"+port+", or "+secure+
				"://HOST:"+securePort)
			u, err := url.Parse(text)
			if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
				return "", wrong
			}
			usual := port
			switch u.Scheme {
			case plain:
			case secure:
				usual = securePort
			default:
				return "", wrong
			}
			host, p, err := settings.HostPort(u.Host, usual)
			if err != nil {
				return "", wrong
			}
			return u.Scheme + "://" + net.JoinHostPort(host, p), nil
		}}
}

// server takes the normal form of serverForm apart.
func server(text string) (secure bool, host, address string) {
	scheme, address, _ := strings.Cut(text, "://")
	host, _, _ = net.SplitHostPort(address)
	return strings.HasSuffix(scheme, "s"), host, address
}

// listenForm is an address of this machine, or none for all, and a port.
var listenForm = settings.Form{Name: "address:port",
	Parse: func(text string, at settings.Place) (string, *settings.Problem) {
		if port, ok := strings.CutPrefix(text, ":"); ok && settings.IsPort(port) {
			return text, nil
		}
		host, port, err := net.SplitHostPort(text)
		if ip, e := netip.ParseAddr(host); err == nil && e == nil && settings.IsPort(port) {
			return net.JoinHostPort(ip.String(), port), nil
		}
		return settings.Listen().Parse(text, at)
	}}

// addressForm is that of a mail address, which nothing can be added to: with a template's domain, or without.
func addressForm(template bool) settings.Form {
	return settings.Form{Name: "address", Parse: func(text string, _ settings.Place) (string, *settings.Problem) {
		local, domain, _ := strings.Cut(text, "@")
		wrong := settings.Wrong("is not a mail address", "write it as probe@example.com")
		if template {
			wrong = settings.Wrong("is not a sender of the domain", "write it as probe@{domain}")
			if domain != "{domain}" && !strings.HasSuffix(domain, ".{domain}") {
				return "", wrong
			}
			domain = strings.Replace(domain, "{domain}", "example.com", 1)
		}
		d, err := dkim.ParseDomain(domain)
		if err != nil || local == "" || len(local) > 64 || strings.Trim(local, addressLetters) != "" ||
			strings.HasPrefix(local, ".") || strings.HasSuffix(local, ".") || strings.Contains(local, "..") {
			return "", wrong
		}
		if template {
			return text, nil
		}
		return local + "@" + d, nil
	}}
}

const addressLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-_="
