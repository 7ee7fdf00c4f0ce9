package cli

import (
	"slices"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/man"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

// configurationKeys returns the keys of the configuration for their page. What has the
// same keys in several places is described once.
func configurationKeys() (out []man.Group) {
	for g := range config.Reference(config.Builtin()) {
		fields := make([]man.Field, len(g.Fields))
		for i, f := range g.Fields {
			_, secret := f.Into.(*settings.Secret)
			fields[i] = man.Field{Key: f.Key, Type: f.Type(), Meaning: f.Meaning, Default: f.Usual(),
				Needed: f.Need != "", Secret: secret}
		}
		if last := len(out) - 1; last >= 0 && out[last].Driver == g.Driver && slices.Equal(out[last].Fields, fields) {
			out[last].Paths = append(out[last].Paths, g.Path)
			continue
		}
		out = append(out, man.Group{Paths: []string{g.Path}, Driver: g.Driver, Meaning: g.Meaning, Fields: fields})
	}
	return out
}
