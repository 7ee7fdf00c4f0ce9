package kumomta

import (
	"errors"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/existing"
)

// Secrets names a secret for each selector of a domain: KumoMTA keeps one key in each.
func (c *Config) Secrets(domain string, selectors []string) (out []dkim.Name) {
	for _, selector := range selectors {
		out = append(out, dkim.Name{Domain: domain, Selector: selector})
	}
	return out
}

// KeysIn returns the key of a secret.
func (c *Config) KeysIn(name dkim.Name, data map[string]any, _ time.Time) ([]existing.Text, error) {
	text, ok := data["key"].(string)
	if !ok {
		return nil, errors.New("there is no text in the field key")
	}
	return []existing.Text{{Selector: name.Selector, Text: []byte(text)}}, nil
}
