package rspamd

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
)

// Dump is what 'rspamadm configdump -j' prints of dkim_signing or arc, as far as it matters. Its vault_token
// is not read.
type Dump struct {
	Enabled        *bool                 `json:"enabled"`
	UseRedis       bool                  `json:"use_redis"`
	UseVault       bool                  `json:"use_vault"`
	UseESLD        *bool                 `json:"use_esld"`
	Selector       string                `json:"selector"`
	Path           string                `json:"path"`
	SelectorMap    any                   `json:"selector_map"` // a text, or a group with more about it
	PathMap        any                   `json:"path_map"`
	SigningTab     any                   `json:"signing_table"`
	KeyTab         any                   `json:"key_table"`
	Domain         map[string]DumpDomain `json:"domain"`
	KeyPrefix      string                `json:"key_prefix"`
	SelectorPrefix string                `json:"selector_prefix"`
	VaultPath      string                `json:"vault_path"`
	VaultKV        int                   `json:"vault_kv_version"`
}

// DumpDomain is what stands in a group of one domain.
type DumpDomain struct {
	Selector  string       `json:"selector"`
	Path      string       `json:"path"`
	Selectors []DumpDomain `json:"selectors"`
}

// ParseDump reads what rspamadm prints; its notes may stand before the object.
func ParseDump(out []byte) (d Dump, err error) {
	err = json.Unmarshal(out[max(0, bytes.IndexByte(out, '{')):], &d)
	return d, err
}

var plainPath = regexp.MustCompile(`^[A-Za-z0-9/._+@%=:,~-]+$`)

// MapFile returns the file of a map, "" for no map; ok is false where it is none.
func MapFile(value any) (file string, ok bool) {
	if value == nil {
		return "", true
	}
	text, _ := value.(string)
	text = strings.TrimPrefix(strings.TrimPrefix(text, "fallback+"), "file://")
	return text, filepath.IsAbs(text) && plainPath.MatchString(text)
}

// difference is one setting of rspamd that is not as the signer has it.
type difference struct{ says, write string }

// differs lists what one module of rspamd does otherwise than the signer expects. module is dkim_signing or arc.
func (c *Config) differs(module string, d Dump, domains []string) (out []difference) {
	arc := module == "arc"
	add := func(write, says string, args ...any) {
		out = append(out, difference{fmt.Sprintf(says, args...), write})
	}
	if d.Enabled != nil && !*d.Enabled {
		add("enabled = true;", "it is off")
	}
	if want := c.Source == sourceRedis; d.UseRedis != want {
		add(fmt.Sprintf("use_redis = %v;", want), "use_redis is %v", d.UseRedis)
	}
	if want := c.Source == sourceVault; d.UseVault != want {
		add(fmt.Sprintf("use_vault = %v;", want), "use_vault is %v", d.UseVault)
	}
	if d.SigningTab != nil && (d.KeyTab != nil || d.UseVault) {
		add("# signing_table and key_table: take both out", "signing_table is asked first")
	}
	switch c.Source {
	case sourceMaps:
		c.differsMaps(arc, d, add)
	case sourceRedis:
		c.differsRedis(arc, d, add)
	case sourceVault:
		c.differsVault(arc, d, add)
	}
	for _, domain := range domains {
		if _, group := d.Domain[domain]; group && c.Source == sourceMaps {
			add("# domain { "+domain+" }: take it out", "domain { %s } is asked before the map", domain)
		}
		if org := organisational(domain); (d.UseESLD == nil || *d.UseESLD) && org != domain {
			add("use_esld = false;", "use_esld is true: mail from %s is signed as %s", domain, org)
			break
		}
	}
	return out
}

func (c *Config) differsMaps(arc bool, d Dump, add func(write, says string, args ...any)) {
	selectors, paths := c.SelectorMap, c.PathMap
	if arc {
		selectors, paths = c.ArcSelectorMap, c.ArcPathMap
	}
	if is, _ := MapFile(d.SelectorMap); is != selectors {
		add(fmt.Sprintf("selector_map = %q;", selectors), "selector_map is %s", shown(d.SelectorMap))
	}
	switch is, _ := MapFile(d.PathMap); {
	case paths == "" && d.PathMap != nil:
		add("# path_map: take it out", "path_map is %s, and the signer has none", shown(d.PathMap))
	case paths != "" && is != paths:
		add(fmt.Sprintf("path_map = %q;", paths), "path_map is %s", shown(d.PathMap))
	}
	if d.Path == "" {
		d.Path = map[bool]string{false: "/var/lib/rspamd/dkim", true: "/var/lib/rspamd/arc"}[arc] + "/$domain.$selector.key"
	}
	if want := c.KeyDir + "/$domain.$selector.key"; paths == "" && d.Path != want {
		add(fmt.Sprintf("path = %q;", want), "path is %s", d.Path)
	}
}

func (c *Config) differsRedis(arc bool, d Dump, add func(write, says string, args ...any)) {
	r, usual := c.hashes(), "dkim_keys"
	keys, selectors := r.KeyPrefix, r.SelectorPrefix
	if arc {
		keys, selectors, usual = r.ArcKeyPrefix, r.ArcSelectorPrefix, "arc_keys"
	}
	if d.KeyPrefix == "" {
		d.KeyPrefix = usual
	}
	if d.KeyPrefix != keys {
		add(fmt.Sprintf("key_prefix = %q;", keys), "key_prefix is %s", d.KeyPrefix)
	}
	if d.SelectorPrefix != selectors {
		add(fmt.Sprintf("selector_prefix = %q;", selectors), "selector_prefix is %s", shown(d.SelectorPrefix))
	}
}

func (c *Config) differsVault(arc bool, d Dump, add func(write, says string, args ...any)) {
	path, version := c.VaultPath, 2
	if arc && c.ArcVaultPath != "" {
		path = c.ArcVaultPath
	}
	if c.KVVersion != 0 {
		version = c.KVVersion
	}
	if d.VaultPath == "" {
		d.VaultPath = "dkim"
	}
	if d.VaultPath != path {
		add(fmt.Sprintf("vault_path = %q;", path), "vault_path is %s", d.VaultPath)
	}
	if is := max(d.VaultKV, 1); is != version {
		add(fmt.Sprintf("vault_kv_version = %d;", version), "vault_kv_version is %d", is)
	}
}

// shown is a setting as people read it.
func shown(value any) string {
	if text, _ := value.(string); text != "" {
		return text
	}
	if value == nil || value == "" {
		return "missing"
	}
	return "not a file"
}
