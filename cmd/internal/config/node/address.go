package node

import (
	"net/netip"

	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Address reads host:port; without a port, it is the one given.
func (v Value) Address(port string) string { return v.form(settings.Address(port)) }

// form reads a text of that form.
func (v Value) form(form settings.Form) (text string) {
	v.textField(settings.Field{Form: form}, &text)
	return text
}

// Servers reads a list of host:port; whether hosts may have names, or must be addresses.
func (v Value) Servers(names bool) []string {
	out := []string{}
	items, _ := v.List()
	for _, item := range items {
		server := item.Address("53")
		if server == "" {
			continue
		}
		if _, err := netip.ParseAddrPort(server); err != nil && !names {
			item.Fail("is a name", "write the resolver's address: 192.0.2.53")
		}
		out = append(out, server)
	}
	return out
}
