package rspamd

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/existing"
)

// moment is a time in Unix seconds, which rspamd takes as a number or as a text. It takes 0 for a time like any other,
// which is long past.
type moment float64

// UnmarshalJSON implements json.Unmarshaler.
func (m *moment) UnmarshalJSON(text []byte) error {
	at, err := strconv.ParseFloat(strings.Trim(string(text), `"`), 64)
	if err != nil {
		return errors.New("it is not a time in seconds") // the text may be a secret
	}
	*m = moment(at)
	return nil
}

// Secrets names the secret of a domain, which has a list of its selectors.
func (c *Config) Secrets(domain string, _ []string) []dkim.Name { return []dkim.Name{{Domain: domain}} }

// KeysIn returns the keys that the secret of a domain lists, without those whose time has passed. Its times are in
// Unix seconds.
func (c *Config) KeysIn(name dkim.Name, data map[string]any, now time.Time) ([]existing.Text, error) {
	text, err := json.Marshal(data)
	if err != nil {
		return nil, errors.New("it is not understood")
	}
	var found struct {
		Selectors []struct {
			Selector string  `json:"selector"`
			Domain   string  `json:"domain"`
			Key      string  `json:"key"`
			End      *moment `json:"valid_end"` // nil: none
		} `json:"selectors"`
	}
	if err := json.Unmarshal(text, &found); err != nil || len(found.Selectors) == 0 {
		return nil, errors.New("there is no list in the field selectors")
	}
	var keys []existing.Text
	for _, e := range found.Selectors {
		over := e.End != nil && float64(*e.End) <= float64(now.Unix())
		if over || e.Domain != "" && !strings.EqualFold(e.Domain, name.Domain) {
			continue
		}
		if e.Selector == "" || e.Key == "" {
			return nil, errors.New("an entry in the field selectors lacks selector or key")
		}
		keys = append(keys, existing.Text{Selector: e.Selector, Text: []byte(e.Key)})
	}
	return keys, nil
}
