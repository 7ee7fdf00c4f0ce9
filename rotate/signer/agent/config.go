package agent

import (
	"cmp"
	"regexp"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Config says which agent it is.
type Config struct {
	Name        string        `json:"-"`     // in messages
	Agent       string        `json:"agent"` // its name in Vault; when empty, Name
	SilentAfter time.Duration `json:"silent_after"`
	Timeout     time.Duration `json:"timeout"` // how long a switch waits for the report
	Lag         time.Duration `json:"lag"`
	Gone        string        `json:"gone"` // hosts that reported under the name and sign no more: names, with spaces
	BySSH
}

// Defaults returns what counts where the configuration says nothing.
func Defaults() *Config { return &Config{SilentAfter: 5 * time.Minute, Timeout: 90 * time.Second} }

// Driver names the kind of signer.
func (c *Config) Driver() signer.Driver {
	return signer.Driver{Name: "agent", Meaning: "a signer on another host, where 'dkimbot agent' runs"}
}

// nameForm is what an agent can be called: one part of a path in Vault.
var nameForm = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,62}$`)

// NameForm is the form of an agent's name.
func NameForm() settings.Form {
	return settings.Form{Name: "name", Parse: func(text string, _ settings.Place) (string, *settings.Problem) {
		if !nameForm.MatchString(text) {
			return "", settings.Wrong("is not a name for an agent", "use lower case letters, digits, - and ., at most 63")
		}
		return text, nil
	}}
}

// instanceForm is what a host's memory calls itself.
var instanceForm = regexp.MustCompile(`^[A-Za-z0-9]{1,26}$`)

func goneForm(text string, _ settings.Place) (string, *settings.Problem) {
	names := strings.Fields(text)
	for _, name := range names {
		if !instanceForm.MatchString(name) {
			return "", settings.Wrong("is not a list of hosts",
				"write the names that stand in parentheses in messages, separated by spaces: AB3DEFGH5JKL")
		}
	}
	return strings.Join(names, " "), nil
}

// Fields returns the keys of the driver.
func (c *Config) Fields() []settings.Field {
	return append(c.sshFields(), []settings.Field{
		{
			Key:     "agent",
			Into:    &c.Agent,
			Form:    NameForm(),
			Default: "the signer's name",
			Claim:   func() *settings.Claim { return settings.Own("agent", c.Agent) },
			Meaning: "the agent's name, as its own configuration has it",
		},
		{
			Key:      "silent_after",
			Into:     &c.SilentAfter,
			Shortest: time.Second,
			Meaning: "how old the agent's last report may be; an agent that has not reported for longer, and for longer than " +
				"three of its polls, counts as one that does not answer, and no key is replaced",
		},
		{
			Key:      "timeout",
			Into:     &c.Timeout,
			Shortest: time.Second,
			Meaning: "how long a switch waits for the agent's report, by ssh for its answer, before it is tried again later; " +
				"at most 4m",
		},
		{
			Key:     "lag",
			Into:    &c.Lag,
			Default: "that of the signer on the agent's host",
			Meaning: "how long after the report the change is surely in effect, where that is longer",
		},
		{
			Key:  "gone",
			Into: &c.Gone,
			Form: settings.Form{Name: "names", Parse: goneForm},
			Meaning: "hosts that once reported as this agent and sign no more, by the names in messages, separated by spaces; " +
				"until a host stands here no key is replaced that it may use",
		},
	}...)
}

// longestTimeout leaves the rest of a step its time.
const longestTimeout = 4 * time.Minute

// Rules returns what is wrong with several keys together.
func (c *Config) Rules() (out []*settings.Problem) {
	if c.Timeout > longestTimeout {
		out = append(out, settings.Wrong("is longer than a step may take", "write 4m or less", "timeout"))
	}
	return append(out, c.sshRules()...)
}

// NeedsVault reports that documents and keys are exchanged through the keystore in Vault.
func (c *Config) NeedsVault() bool { return c.Via != ViaSSH }

// Open makes the signer of that name.
func (c *Config) Open(name string, _ settings.Secrets) (signer.Signer, error) {
	named := *c
	named.Name, named.Agent = name, cmp.Or(c.Agent, name)
	if c.Via == ViaSSH {
		if err := signer.Check(name, &named, nil); err != nil {
			return nil, err
		}
		return named.openSSH(), nil
	}
	return New(named)
}
