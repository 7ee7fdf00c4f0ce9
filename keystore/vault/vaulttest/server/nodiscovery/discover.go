// Package discover stands in for the library with which Vault's servers find each other in
// clouds. The test server is alone, and the library's clients of clouds are more than half of
// the source that it would be built from.
package discover

import (
	"errors"
	"log"
)

// Provider finds addresses in one cloud.
type Provider interface {
	Addrs(args map[string]string, l *log.Logger) ([]string, error)
}

// Providers is empty: no cloud is known.
var Providers = map[string]Provider{}

// Discover finds nothing.
type Discover struct{}

// Option changes a Discover.
type Option func(*Discover) error

// WithProviders changes nothing.
func WithProviders(map[string]Provider) Option {
	return func(*Discover) error { return nil }
}

// New returns a Discover that finds nothing.
func New(...Option) (*Discover, error) { return &Discover{}, nil }

// Addrs always fails.
func (*Discover) Addrs(string, *log.Logger) ([]string, error) {
	return nil, errors.New("the test server finds no other servers")
}

// Config is what Parse would return.
type Config map[string]string

// Parse always fails.
func Parse(string) (Config, error) {
	return nil, errors.New("the test server finds no other servers")
}

// String is empty, as the configuration is.
func (Config) String() string { return "" }
