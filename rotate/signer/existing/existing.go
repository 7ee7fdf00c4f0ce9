// Package existing has the words for keys that a signer uses before dkimbot does: what a driver says of them, so
// that they can be adopted.
package existing

// Key is a private key that a signer uses, or could use.
type Key struct {
	Selector string
	InUse    bool   // the domain's own mail is signed with it
	Path     string // of its file; "" when it stands among the signer's settings
	// Read returns its text, in PEM or base64. Errors are faults.
	Read func() ([]byte, error)
}

// Keys are the keys that a signer's files name, whoever wrote them.
type Keys interface {
	// Of returns the keys of a domain, the one in use first, one for each selector.
	Of(domain string) []Key
	// Domains returns the domains whose own mail is signed in the domain's name, in order.
	Domains() []string
}
