package signer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Driver is a kind of signer.
type Driver struct {
	Name    string // in the configuration
	Meaning string // for the reference page, as a sentence without a full stop
}

// Settings are what is configured about one signer of a driver, and how it is opened.
type Settings interface {
	// Driver says what kind of signer it is.
	Driver() Driver
	settings.Settings
	// Open makes the signer of that name. It touches nothing.
	Open(name string, secrets settings.Secrets) (Signer, error)
}

// RSAOnly is implemented by settings of signers that refuse Ed25519 keys, as they are set up: it says why, and what
// would change that; an empty why where they take them.
type RSAOnly interface {
	RSAOnly() (why, remedy string)
}

// Signer is what every adapter is.
type Signer interface {
	// Active returns which key each domain is signed with; none where the signer does not sign.
	Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error)
	// Activate makes each key the only one that its domain is signed with.
	Activate(ctx context.Context, keys []dkim.SigningKey) error
	// Lag is how long after Activate has returned the change is surely in effect.
	Lag() time.Duration
}

// Config is one configured signer.
type Config struct {
	Name     string // in the configuration, for people
	Was      string // the name that it had before; "" for none
	Settings Settings
}

// Renamer is implemented by signers that leave their names where they write.
type Renamer interface {
	// KnownAs says which name the signer had before, as well: what it left under that is its own.
	KnownAs(was string)
}

// Names are those that a signer had before. They are safe for concurrent use.
type Names struct {
	mu  sync.Mutex
	was []string
}

// KnownAs implements Renamer.
func (n *Names) KnownAs(was string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !slices.Contains(n.was, was) {
		n.was = append(n.was, was)
	}
}

// Had reports whether the signer had a name before.
func (n *Names) Had(name string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Contains(n.was, name)
}

// Open makes the signer. Errors are faults.
func (c Config) Open() (Signer, error) {
	secrets, err := settings.ReadSecrets(c.Settings)
	if err != nil {
		return nil, err
	}
	if err := Check(c.Name, c.Settings, secrets); err != nil {
		return nil, err
	}
	s, err := c.Settings.Open(c.Name, secrets)
	if renamed, ok := s.(Renamer); ok && err == nil && c.Was != "" {
		renamed.KnownAs(c.Was)
	}
	return s, err
}

// Check reports as a fault what is wrong with the settings of the signer of that name.
func Check(name string, of settings.Settings, secrets settings.Secrets) error {
	if err := settings.Check(of, secrets); err != nil {
		return fault.Lasting(fmt.Sprintf("set up signer %s", name), err, settings.Remedy(err))
	}
	return nil
}

// MarshalJSON renders the configuration with the settings under the name of the driver.
func (c Config) MarshalJSON() ([]byte, error) {
	return settings.Marshal(c.Name, c.Settings.Driver().Name, c.Settings)
}
