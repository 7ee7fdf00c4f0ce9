package config

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/providers"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/probe"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// DefaultPath is where the configuration is when it is not named.
const DefaultPath = "/etc/dkimbot/dkimbot.yaml"

// Error is one thing that is wrong with the configuration. It never holds a secret.
type Error = node.Error

// Errors is everything that is wrong with a configuration, by file and line.
type Errors = node.Errors

// PathVariable names the environment variable that says where the configuration
// is, when the command line does not.
const PathVariable = "DKIMBOT_CONFIG"

// Config is a whole configuration that was found right. It is plain data, with
// all defaults filled in; treat it as read-only, then it is safe for concurrent use.
type Config struct {
	File      string                      `json:"-"` // absolute
	State     State                       `json:"state"`
	Keystore  Keystore                    `json:"keystore"`
	Providers map[string]providers.Config `json:"providers"`
	Signers   map[string]signer.Config    `json:"signers"`
	Probes    map[string]probe.Config     `json:"probes,omitempty"` // by signer: how its mail is looked at
	Policies  map[string]Policy           `json:"policies"`
	Verify    Verify                      `json:"verify"`
	Limits    Limits                      `json:"limits,omitzero"`
	Notify    Notify                      `json:"notify,omitzero"`
	Serve     Serve                       `json:"serve,omitzero"`
	Domains   []Domain                    `json:"domains"` // in the order of the files

	// Warnings are what is allowed and yet probably not meant.
	Warnings []Error `json:"-"`

	index map[string]int // by name
}

// Domain is one signing domain with everything that applies to it.
type Domain struct {
	rotate.Domain
	PolicyName string `json:"policy_name"`
	Unsafe     bool   `json:"unsafe_timing"`
	Zone       string `json:"zone,omitempty"` // "": found by SOA
	Verify     Verify `json:"verify"`         // the domain's, provider's and general settings, merged
	File       string `json:"-"`              // where the domain is listed
	Line       int    `json:"-"`
}

// Policy is the timing and the kind of keys under a name.
type Policy struct {
	rotate.Policy
	Unsafe bool         `json:"unsafe_timing"` // waits shorter than seven days are meant
	Limits PolicyLimits `json:"limits,omitzero"`
}

// Verify says how a record is looked for after it was published.
type Verify struct {
	Mode        string        `json:"mode"`        // "authoritative", "resolvers", "both" or "none"
	Nameservers []string      `json:"nameservers"` // host:port, instead of the zone's NS set
	Resolvers   []string      `json:"resolvers"`   // address:port; none: those of the system
	Timeout     time.Duration `json:"timeout"`     // how long a published record is waited for
}

// RotateDomains returns the domains as the heart takes them, in the order of the files.
func (c *Config) RotateDomains() []rotate.Domain {
	out := make([]rotate.Domain, len(c.Domains))
	for i, d := range c.Domains {
		out[i] = d.Domain
	}
	return out
}

// Domain returns the domain of that name, which need not be in normal form. The
// error is a lasting fault that says which names are near.
func (c *Config) Domain(name string) (*Domain, error) {
	what := fmt.Sprintf("look for domain %s in %s", name, c.File)
	normal, err := dkim.ParseDomain(name)
	if err != nil {
		return nil, fault.Lasting(what, err, "write the domain as it stands after d= in a signature")
	}
	if i, ok := c.index[normal]; ok {
		return &c.Domains[i], nil
	}
	hint := "add it under domains, with a provider and signers"
	if near := settings.Nearest(normal, slices.Collect(maps.Keys(c.index))); near != "" {
		hint = "did you mean " + near + "? Otherwise " + hint
	}
	return nil, fault.Lasting(what, fmt.Errorf("the configuration does not list it"), hint)
}
