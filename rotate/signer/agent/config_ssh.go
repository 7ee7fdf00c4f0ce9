package agent

import (
	"regexp"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/agent/ssh"
)

// The ways to a host.
const (
	ViaVault = "vault"
	ViaSSH   = "ssh"
)

// BySSH says how a host is reached where there is no Vault.
type BySSH struct {
	Via            string        `json:"via,omitempty"` // ViaVault when empty
	Host           string        `json:"host,omitempty"`
	User           string        `json:"user,omitempty"`
	Port           int           `json:"port,omitempty"`
	IdentityFile   string        `json:"identity_file,omitempty"`
	KnownHosts     string        `json:"known_hosts,omitempty"`
	SSHConfig      string        `json:"ssh_config,omitempty"`
	ConnectTimeout time.Duration `json:"connect_timeout,omitempty"`
}

// usualConnectTimeout is how long a connection may take where nothing is said.
const usualConnectTimeout = 15 * time.Second

// hostForm and userForm are what can't be taken for an option, nor for several words.
var (
	hostForm = regexp.MustCompile(`^[A-Za-z0-9_:][A-Za-z0-9._:-]*$`)
	userForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)
)

func wordForm(name string, form *regexp.Regexp, remedy string) settings.Form {
	return settings.Form{Name: name, Parse: func(text string, _ settings.Place) (string, *settings.Problem) {
		if !form.MatchString(text) {
			return "", settings.Wrong("is not a "+name, remedy)
		}
		return text, nil
	}}
}

// sshPath is the form of a path that OpenSSH takes as it stands.
func sshPath() settings.Form {
	return settings.Form{Name: "path", Parse: func(text string, at settings.Place) (string, *settings.Problem) {
		path, wrong := at.Absolute(text)
		if wrong == nil && strings.ContainsAny(path, " \t\r\n\"'\\%$~,") {
			return "", settings.Wrong("has a character that means something to OpenSSH",
				`choose a path without white space, quotes, commas, \, %, $ and ~`)
		}
		return path, wrong
	}}
}

// sshFields are those of via.
func (c *Config) sshFields() []settings.Field {
	path := func(key string, into *string, usual, meaning string) settings.Field {
		return settings.Field{Key: key, Into: into, Form: sshPath(), Default: usual, Meaning: meaning}
	}
	return []settings.Field{
		{
			Key:     "via",
			Into:    &c.Via,
			Choices: []string{ViaVault, ViaSSH},
			Default: ViaVault,
			Meaning: "vault: the agent reads its orders and keys there; ssh: dkimbot connects to the host by the system's ssh",
		},
		{
			Key:     "host",
			Into:    &c.Host,
			Form:    wordForm("host", hostForm, "write a name or an address: mail2.example.com"),
			Meaning: "ssh: the host, or what ssh_config calls it",
		},
		{
			Key:     "user",
			Into:    &c.User,
			Form:    wordForm("user", userForm, "write the name of a user of the host: dkimbot"),
			Default: "what ssh_config says, or the user that runs dkimbot",
			Meaning: "ssh: the user on the host whose authorized_keys has the forced command",
		},
		{Key: "port", Into: &c.Port, Least: 1, Most: 65535, Default: "what ssh_config says, or 22", Meaning: "ssh: the port"},
		path("identity_file", &c.IdentityFile, "what ssh_config says",
			"ssh: the private key of the login, without a passphrase; with it, no other key and no ssh-agent is used"),
		path("known_hosts", &c.KnownHosts, "those of ssh",
			"ssh: the file of host keys; with it, no other one counts. A host that is not in it is never connected to"),
		path("ssh_config", &c.SSHConfig, "those of ssh",
			"ssh: the client's configuration, for example for a jump host; it can't turn the check of host keys off"),
		{
			Key:      "connect_timeout",
			Into:     &c.ConnectTimeout,
			Shortest: time.Second,
			Default:  settings.Brief(usualConnectTimeout),
			Meaning:  "ssh: how long the connection may take to be made, as part of timeout",
		},
	}
}

// sshRules returns what is wrong with via and the keys that belong to it.
func (c *Config) sshRules() (out []*settings.Problem) {
	if c.Via == ViaSSH {
		if c.Host == "" {
			out = append(out, settings.Wrong("is missing", "write the host that ssh is to connect to: mail2.example.com", "host",
				"via"))
		}
		return out
	}
	for _, f := range c.sshFields() {
		set := false
		switch into := f.Into.(type) {
		case *string:
			set = *into != "" && into != &c.Via
		case *int:
			set = *into != 0
		case *time.Duration:
			set = *into != 0
		}
		if set {
			out = append(out, settings.Wrong("means nothing without ssh", "write via: ssh, or leave it out", f.Key))
		}
	}
	return out
}

// Unnamed is the claim of the agent's name where it is the signer's: two signers can't lead to one agent.
func (c *Config) Unnamed(name string) *settings.Claim {
	if c.Agent != "" {
		return nil
	}
	return settings.Own("agent", name)
}

// openSSH makes the signer that is reached by ssh; c has its names.
func (c *Config) openSSH() signer.Signer {
	connect := c.ConnectTimeout
	if connect == 0 {
		connect = usualConnectTimeout
	}
	return ssh.New(ssh.Config{Name: c.Name, Agent: c.Agent, Host: c.Host, User: c.User, Port: c.Port,
		Identity: c.IdentityFile, KnownHosts: c.KnownHosts, File: c.SSHConfig, ConnectTimeout: connect,
		Timeout: c.Timeout, Lag: c.Lag})
}
