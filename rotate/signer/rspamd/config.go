package rspamd

import (
	"cmp"
	"crypto/tls"
	"net"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/settings"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/endpoint"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
	"github.com/dkimbot/dkimbot/rotate/signer/milter"
	"github.com/dkimbot/dkimbot/rotate/signer/rspamd/maps"
	"github.com/dkimbot/dkimbot/rotate/signer/rspamd/redis"
	"github.com/dkimbot/dkimbot/rotate/signer/rspamd/vault"
)

// Config says where rspamd finds its keys.
type Config struct {
	Source string `json:"source"` // maps, redis or vault

	KeyDir         string `json:"key_dir,omitempty"` // absolute; made when missing
	SelectorMap    string `json:"selector_map,omitempty"`
	PathMap        string `json:"path_map,omitempty"`
	ArcSelectorMap string `json:"arc_selector_map,omitempty"`
	ArcPathMap     string `json:"arc_path_map,omitempty"`
	Owner          string `json:"owner,omitempty"` // of the key files, the user that rspamd runs as
	Group          string `json:"group,omitempty"`

	Redis             string          `json:"redis,omitempty"`    // host:port
	Replicas          string          `json:"replicas,omitempty"` // likewise, with spaces
	Username          string          `json:"username,omitempty"`
	Password          settings.Secret `json:"password,omitzero"`
	DB                int             `json:"db,omitempty"`
	TLS               bool            `json:"tls,omitempty"`
	CAFile            string          `json:"ca_file,omitempty"`
	Preset            string          `json:"preset,omitempty"`
	KeyPrefix         string          `json:"key_prefix,omitempty"`
	SelectorPrefix    string          `json:"selector_prefix,omitempty"`
	PubPrefix         string          `json:"pub_prefix,omitempty"`
	ArcKeyPrefix      string          `json:"arc_key_prefix,omitempty"`
	ArcSelectorPrefix string          `json:"arc_selector_prefix,omitempty"`

	VaultPath    string        `json:"vault_path,omitempty"`
	ArcVaultPath string        `json:"arc_vault_path,omitempty"`
	KVVersion    int           `json:"vault_kv_version,omitempty"`
	SwitchAfter  time.Duration `json:"switch_after,omitempty"`

	Milter string        `json:"milter,omitempty"` // of its proxy worker, "" for none
	Lag    time.Duration `json:"lag"`
}

// The ways in which rspamd finds selectors and keys.
const (
	sourceMaps  = "maps"
	sourceRedis = "redis"
	sourceVault = "vault"
)

// mailcow is the preset of the hashes that mailcow uses.
const mailcow = "mailcow"

// Defaults returns what counts where the configuration says nothing.
func Defaults() *Config { return &Config{} }

// Driver names the kind of signer.
func (c *Config) Driver() signer.Driver {
	return signer.Driver{Name: "rspamd",
		Meaning: "an rspamd, whose dkim_signing module reads selectors and keys from maps, Redis or Vault"}
}

// Fields returns the keys of the driver.
func (c *Config) Fields() []settings.Field {
	fields := []settings.Field{
		{
			Key:     "source",
			Into:    &c.Source,
			Need:    "write source: maps, source: redis or source: vault",
			Choices: []string{sourceMaps, sourceRedis, sourceVault},
			Meaning: "where rspamd finds selectors and keys: maps (files), redis, or vault, where the keystore is",
		},
		{
			Key:      "lag",
			Into:     &c.Lag,
			Shortest: time.Millisecond,
			Default: settings.Brief(maps.DefaultLag) + " with maps, " + settings.Brief(redis.DefaultLag) +
				" with redis and vault",
			Meaning: "how long after a switch mail may still be signed with the key before",
		},
		milter.Field(&c.Milter),
	}
	return append(append(append(fields, c.mapFields()...), c.redisFields()...), c.vaultFields()...)
}

// mapFields are those of source: maps.
func (c *Config) mapFields() []settings.Field {
	path := keyfiles.PathForm("rspamd", "#$\"'\\", `, #, $, a quote or \`)
	file := func(key string, into *string, meaning string) settings.Field {
		return settings.Field{Key: key, Into: into, Form: path, Meaning: meaning,
			Claim: func() *settings.Claim { return settings.OwnFile(*into) }}
	}
	return []settings.Field{
		file("key_dir", &c.KeyDir, "maps: the directory of the key files; rspamd's path is KEY_DIR/$domain.$selector.key"),
		file("selector_map", &c.SelectorMap, "maps: the file that is selector_map of rspamd's dkim_signing"),
		file("path_map", &c.PathMap, "maps: the file that is its path_map, where it has one"),
		file("arc_selector_map", &c.ArcSelectorMap,
			"maps: the file that is selector_map of rspamd's arc, if that signs with the same keys"),
		file("arc_path_map", &c.ArcPathMap, "maps: the file that is path_map of rspamd's arc, where it has one"),
		{
			Key:     "owner",
			Into:    &c.Owner,
			Form:    keyfiles.OwnerForm("write the user that rspamd runs as: _rspamd", &c.Group),
			Default: "those of key_dir",
			Meaning: "maps: the user and group that rspamd runs as, who own the key files",
		},
	}
}

// redisFields are those of source: redis.
func (c *Config) redisFields() []settings.Field {
	text := func(key string, into *string, meaning string) settings.Field {
		return settings.Field{Key: key, Into: into, Meaning: meaning}
	}
	return []settings.Field{
		{
			Key:     "redis",
			Into:    &c.Redis,
			Form:    settings.Address("6379"),
			Meaning: "redis: the address of the server that rspamd asks, the primary where there are replicas",
		},
		{
			Key:  "replicas",
			Into: &c.Replicas,
			Form: settings.Form{Name: "addresses", Parse: addresses},
			Meaning: "redis: the addresses, with spaces between them, of the replicas that rspamd asks (read_servers): a " +
				"switch counts when all of them show it",
		},
		text("username", &c.Username, "redis: the user of its ACL"),
		{Key: "password", Into: &c.Password, Meaning: "redis: the password"},
		{Key: "db", Into: &c.DB, Least: 0, Most: 1 << 20, Meaning: "redis: the number of the database"},
		{Key: "tls", Into: &c.TLS, Meaning: "redis: connect with TLS"},
		{
			Key:  "ca_file",
			Into: &c.CAFile,
			Form: settings.Form{Name: "path", Parse: func(text string, at settings.Place) (string, *settings.Problem) {
				return at.Absolute(text)
			}},
			Meaning: "redis: the authority that signed the server's certificate, where the system does not know it",
		},
		{
			Key:     "preset",
			Into:    &c.Preset,
			Choices: []string{mailcow},
			Meaning: "redis: the names of the hashes as a product has them",
		},
		text("key_prefix", &c.KeyPrefix, "redis: the hash of the private keys, as dkim_signing has it"),
		text("selector_prefix", &c.SelectorPrefix, "redis: the hash of the selectors, as dkim_signing has it"),
		text("pub_prefix", &c.PubPrefix, "redis: a hash of the public keys, for a page that shows them"),
		text("arc_key_prefix", &c.ArcKeyPrefix, "redis: key_prefix of rspamd's arc, if that signs with the same keys"),
		text("arc_selector_prefix", &c.ArcSelectorPrefix, "redis: selector_prefix of rspamd's arc"),
	}
}

// addresses reads addresses of servers, with spaces between them.
func addresses(text string, at settings.Place) (string, *settings.Problem) {
	var all []string
	for _, word := range strings.Fields(text) {
		address, problem := settings.Address("6379").Parse(word, at)
		if problem != nil {
			return "", problem
		}
		all = append(all, address)
	}
	return strings.Join(all, " "), nil
}

// Rules returns what is wrong with several keys together, or is missing and yet probably meant.
func (c *Config) Rules() []*settings.Problem {
	switch c.Source {
	case sourceMaps:
		return append(c.others(append(c.redisFields(), c.vaultFields()...)), c.mapRules()...)
	case sourceRedis:
		return append(c.others(append(c.mapFields(), c.vaultFields()...)), c.redisRules()...)
	case sourceVault:
		return append(c.others(append(c.mapFields(), c.redisFields()...)), c.vaultRules()...)
	}
	return nil
}

// others reports keys of another source.
func (c *Config) others(fields []settings.Field) (out []*settings.Problem) {
	for _, f := range fields {
		set := false
		switch into := f.Into.(type) {
		case *string:
			set = *into != ""
		case *bool:
			set = *into
		case *int:
			set = *into != 0
		case *time.Duration:
			set = *into != 0
		case *settings.Secret:
			set = into.IsSet()
		}
		if set {
			out = append(out, settings.Wrong("means nothing with source: "+c.Source, "leave it out, or correct source", f.Key))
		}
	}
	return out
}

func missing(out *[]*settings.Problem, key, is, remedy string) {
	if is == "" {
		*out = append(*out, settings.Wrong("is missing", remedy, key))
	}
}

func (c *Config) mapRules() (out []*settings.Problem) {
	missing(&out, "key_dir", c.KeyDir, "write the directory for key files, for example /var/lib/rspamd/dkim")
	missing(&out, "selector_map", c.SelectorMap, "write the path of dkim_signing's selector_map, "+
		"which chooses the key file, too; for example /etc/rspamd/dkim_selectors.map")
	if c.ArcPathMap != "" && c.ArcSelectorMap == "" {
		out = append(out, settings.Wrong("needs arc_selector_map, which chooses the key file",
			"write the path of arc's selector_map as arc_selector_map", "arc_path_map"))
	}
	return append(out, maps.Store("", c.KeyDir, c.Owner).ReaderRule(maps.NameReader)...)
}

func (c *Config) redisRules() (out []*settings.Problem) {
	r := c.hashes()
	missing(&out, "redis", c.Redis, `write the address of Redis: "127.0.0.1:6379"`)
	missing(&out, "key_prefix", r.KeyPrefix, "write key_prefix as rspamd's dkim_signing has it, or preset: mailcow")
	missing(&out, "selector_prefix", r.SelectorPrefix, "write selector_prefix as rspamd's dkim_signing has it: "+
		"without one it signs every domain with the one selector of its configuration")
	if (c.ArcKeyPrefix == "") != (c.ArcSelectorPrefix == "") {
		out = append(out, settings.Wrong("only one of arc_key_prefix and arc_selector_prefix is given",
			"give both, or neither", "arc_key_prefix", "arc_selector_prefix"))
	}
	seen := map[string]bool{}
	for _, hash := range []string{r.KeyPrefix, r.SelectorPrefix, r.PubPrefix, r.ArcSelectorPrefix} {
		if hash != "" && seen[hash] {
			out = append(out, settings.Wrong("two hashes have the name "+hash, "write the names that rspamd has",
				"selector_prefix", "key_prefix", "pub_prefix", "arc_selector_prefix"))
		}
		seen[hash] = true
	}
	if c.CAFile != "" && !c.TLS {
		out = append(out, settings.Wrong("is given without TLS", "write tls: true", "ca_file"))
	}
	if host, _, err := net.SplitHostPort(c.Redis); err == nil && !c.TLS && !settings.Loopback(host) {
		out = append(out, &settings.Problem{Keys: []string{"tls"}, Warning: true,
			Text:   "is missing: private keys go to another host in the clear",
			Remedy: "write tls: true where Redis has it, or reach it through a tunnel"})
	}
	return out
}

// hashes returns the settings of Redis with the names of the preset.
func (c *Config) hashes() redis.Config {
	r := redis.Config{Address: c.Redis, Replicas: strings.Fields(c.Replicas), Username: c.Username, Password: c.Password,
		DB: c.DB, KeyPrefix: c.KeyPrefix, SelectorPrefix: c.SelectorPrefix, PubPrefix: c.PubPrefix,
		ArcKeyPrefix: c.ArcKeyPrefix, ArcSelectorPrefix: c.ArcSelectorPrefix, Lag: c.Lag}
	if c.Preset == mailcow {
		r.KeyPrefix = cmp.Or(r.KeyPrefix, "DKIM_PRIV_KEYS")
		r.SelectorPrefix = cmp.Or(r.SelectorPrefix, "DKIM_SELECTORS")
		r.PubPrefix = cmp.Or(r.PubPrefix, "DKIM_PUB_KEYS")
	}
	return r
}

// KeyPlace implements signer.Joins.
func (c *Config) KeyPlace(of dkim.Name) string {
	switch c.Source {
	case sourceMaps:
		return maps.Config{KeyDir: c.KeyDir}.KeyPath(of)
	case sourceRedis:
		return c.hashes().KeyPlace(of)
	}
	return "" // in Vault each domain has a secret of its own
}

// Open makes the signer of that name.
func (c *Config) Open(name string, secrets settings.Secrets) (signer.Signer, error) {
	if err := signer.Check(name, c, secrets); err != nil {
		return nil, err
	}
	if c.Source == sourceMaps {
		return maps.New(maps.Config{Name: name, KeyDir: c.KeyDir, SelectorMap: c.SelectorMap, PathMap: c.PathMap,
			Owner: c.Owner, Group: c.Group, ArcSelectorMap: c.ArcSelectorMap, ArcPathMap: c.ArcPathMap, Lag: c.Lag,
			Witness: c.witness(name)}), nil
	}
	if c.Source == sourceVault {
		return vault.New(vault.Config{Name: name, Path: c.VaultPath, ArcPath: c.ArcVaultPath, KVVersion: c.KVVersion,
			After: c.SwitchAfter, Lag: c.Lag, Witness: c.witness(name)}), nil
	}
	r := c.hashes()
	r.Name, r.Witness = name, c.witness(name)
	if c.TLS {
		host, _, _ := net.SplitHostPort(c.Redis)
		r.TLS = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
		if c.CAFile != "" {
			var err error
			if r.TLS.RootCAs, err = endpoint.Authority(c.CAFile); err != nil {
				return nil, fault.Lasting("set up signer "+name, err, endpoint.CorrectAuthority(err))
			}
		}
	}
	return redis.New(r), nil
}

// patience is how long rspamd's proxy may take to sign with what was written: maps are seen within seconds, or in
// minutes; then the switch is tried again.
const patience = time.Minute

// witness is rspamd itself, where it can be asked.
func (c *Config) witness(name string) milter.Witness {
	return milter.Witness{Signer: name, Milter: c.Milter, Patience: patience,
		Remedy: "see what rspamd's log says of dkim_signing, and whether its configuration has the maps, " +
			"hashes or secrets of " +
			"this signer; where its maps are not watched it may take minutes, and it is asked again by itself"}
}
