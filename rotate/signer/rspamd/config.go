package rspamd

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/rspamd/maps"
)

// Config says where rspamd finds its keys.
type Config struct {
	Source string `json:"source"` // maps

	KeyDir         string `json:"key_dir,omitempty"` // absolute; made when missing
	SelectorMap    string `json:"selector_map,omitempty"`
	PathMap        string `json:"path_map,omitempty"`
	ArcSelectorMap string `json:"arc_selector_map,omitempty"`
	ArcPathMap     string `json:"arc_path_map,omitempty"`
	Owner          string `json:"owner,omitempty"` // of the key files, the user that rspamd runs as
	Group          string `json:"group,omitempty"`

	Lag time.Duration `json:"lag"`
}

// The ways in which rspamd finds selectors and keys.
const sourceMaps = "maps"

// Defaults returns what counts where the configuration says nothing.
func Defaults() *Config { return &Config{} }

// Driver names the kind of signer.
func (c *Config) Driver() signer.Driver {
	return signer.Driver{Name: "rspamd", Meaning: "an rspamd, whose dkim_signing module reads selectors and keys from maps"}
}

// Fields returns the keys of the driver.
func (c *Config) Fields() []settings.Field {
	return append([]settings.Field{
		{
			Key:     "source",
			Into:    &c.Source,
			Need:    "write source: maps",
			Choices: []string{sourceMaps},
			Meaning: "where rspamd finds selectors and keys: maps (files)",
		},
		{
			Key:      "lag",
			Into:     &c.Lag,
			Shortest: time.Millisecond,
			Default:  settings.Brief(maps.DefaultLag),
			Meaning:  "how long after a switch mail may still be signed with the key before",
		},
	}, c.mapFields()...)
}

// mapFields are those of source: maps.
func (c *Config) mapFields() []settings.Field {
	path := keyfiles.PathForm("rspamd", "#$\"'\\", `, #, $, a quote or \`)
	file := func(key string, into *string, meaning string) settings.Field {
		return settings.Field{Key: key, Into: into, Form: path, Meaning: meaning,
			Claim: func() *settings.Claim { return settings.OwnFile(*into) }}
	}
	return []settings.Field{
		file("key_dir", &c.KeyDir, "the directory of the key files; rspamd's path is KEY_DIR/$domain.$selector.key"),
		file("selector_map", &c.SelectorMap, "the file that is selector_map of rspamd's dkim_signing"),
		file("path_map", &c.PathMap, "the file that is its path_map, where it has one"),
		file("arc_selector_map", &c.ArcSelectorMap, "the file that is selector_map of rspamd's arc, if that signs with the same keys"),
		file("arc_path_map", &c.ArcPathMap, "the file that is path_map of rspamd's arc, where it has one"),
		{
			Key:     "owner",
			Into:    &c.Owner,
			Form:    keyfiles.OwnerForm("write the user that rspamd runs as: _rspamd", &c.Group),
			Default: "those of key_dir",
			Meaning: "the user and group that rspamd runs as, who own the key files",
		},
	}
}

// Rules returns what is wrong with several keys together, or is missing and yet probably meant.
func (c *Config) Rules() (out []*settings.Problem) {
	missing := func(key, is, remedy string) {
		if is == "" {
			out = append(out, settings.Wrong("is missing", remedy, key))
		}
	}
	missing("key_dir", c.KeyDir, "write the directory for key files, for example /var/lib/rspamd/dkim")
	missing("selector_map", c.SelectorMap, "write the path of dkim_signing's selector_map, which chooses the key file, too; "+
		"for example /etc/rspamd/dkim_selectors.map")
	if c.ArcPathMap != "" && c.ArcSelectorMap == "" {
		out = append(out, settings.Wrong("needs arc_selector_map, which chooses the key file",
			"write the path of arc's selector_map as arc_selector_map", "arc_path_map"))
	}
	return append(out, maps.Store("", c.KeyDir, c.Owner).ReaderRule(maps.NameReader)...)
}

// Open makes the signer of that name.
func (c *Config) Open(name string, secrets settings.Secrets) (signer.Signer, error) {
	if err := signer.Check(name, c, secrets); err != nil {
		return nil, err
	}
	return maps.New(maps.Config{Name: name, KeyDir: c.KeyDir, SelectorMap: c.SelectorMap, PathMap: c.PathMap,
		Owner: c.Owner, Group: c.Group, ArcSelectorMap: c.ArcSelectorMap, ArcPathMap: c.ArcPathMap, Lag: c.Lag}), nil
}
