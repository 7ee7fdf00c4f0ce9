package signertest

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Verify has rspamd, which needs a Nameserver, verify the signature of a message as one that came from elsewhere, and
// returns what it signed with; why is empty if it passed. It is safe for concurrent use.
func (d *Rspamd) Verify(t testing.TB, message []byte) (domain, selector, why string) {
	t.Helper()
	body := d.ask(t, d.workers[0], string(message), "", "192.0.2.7")
	var said struct {
		Symbols map[string]struct{ Options []string } `json:"symbols"`
	}
	if err := json.Unmarshal(body, &said); err != nil {
		return "", "", "rspamd says " + string(body)
	}
	for _, symbol := range slices.Sorted(maps.Keys(said.Symbols)) {
		if !strings.HasPrefix(symbol, "R_DKIM_") || len(said.Symbols[symbol].Options) == 0 {
			continue
		}
		domain, option, _ := strings.Cut(said.Symbols[symbol].Options[0], ":")
		if symbol != "R_DKIM_ALLOW" {
			why = symbol + " " + strings.Join(said.Symbols[symbol].Options, ", ")
		}
		return domain, strings.TrimPrefix(option, "s="), why
	}
	return "", "", "rspamd says nothing of DKIM: " + strings.Join(slices.Sorted(maps.Keys(said.Symbols)), ", ")
}
