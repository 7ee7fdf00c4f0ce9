package rspamd

import (
	"testing"

	"github.com/dkimbot/dkimbot/rotate/fault/faulttest"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// TestConfig: each mistake in the configuration is named.
func TestConfig(t *testing.T) {
	for _, edit := range []func(*Config){
		func(c *Config) { c.Source = "" },
		func(c *Config) { c.Source = "files" },
		func(c *Config) { c.KeyDir = "" },
		func(c *Config) { c.SelectorMap = "" },
		func(c *Config) { c.SelectorMap = "selectors.map" },
		func(c *Config) { c.KeyDir = "/var/lib/$domain" },
		func(c *Config) { c.ArcPathMap = "/etc/rspamd/arc_paths.map" },
		func(c *Config) { c.Owner = "a b" },
		func(c *Config) { c.Owner, c.KeyDir = "", "/" },
	} {
		cfg := Config{Source: "maps", KeyDir: "/var/lib/rspamd/dkim", SelectorMap: "/etc/rspamd/selectors.map", Owner: "root"}
		edit(&cfg)
		_, err := cfg.Open("rs", settings.Secrets{})
		faulttest.Shown(t, err)
	}
}
