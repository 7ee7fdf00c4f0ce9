// Package existing has the words for keys that a signer uses before dkimbot does: a driver says how they are named
// and read, so that they can be adopted. Nothing is ever written there.
package existing

import (
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// InFiles is implemented by the settings of drivers whose signers name their keys in files.
type InFiles interface {
	// Existing says how the files are named and read.
	Existing() Files
}

// Files says how 'dkimbot adopt' is given the files that name a signer's keys.
type Files struct {
	Flags []Flag // the first one is --from-something; each needs all the others
	Why   string // they need each other
	Where string // the keys are, for people: "the tables"
	Place string // the same for the help of the command
	// Open reads the files, one for each flag. Errors are faults.
	Open func(files []string) (Keys, error)
}

// Flag is a flag of 'dkimbot adopt' that names a file. Example is a value that it may have, for the help.
type Flag struct{ Name, Usage, Example string }

// Keys are the keys that a signer's files name, whoever wrote them.
type Keys interface {
	// Of returns the keys of a domain, the one in use first, one for each selector.
	Of(domain string) []Key
	// Domains returns the domains whose own mail is signed in the domain's name, in order.
	Domains() []string
}

// Key is a private key that a signer uses, or could use.
type Key struct {
	Selector string
	InUse    bool   // the domain's own mail is signed with it
	Where    string // it stands, for people
	Path     string // of its file; "" when it stands among the signer's settings
	// Read returns its text, in PEM or base64. Errors are faults.
	Read func() ([]byte, error)
}

// InVault is implemented by the settings of drivers whose signers fetch their keys from a KV version 2 engine of
// Vault, in a layout of their own.
type InVault interface {
	// Secrets names the secrets that hold the keys of a domain; where they don't say which selectors there are, those
	// of the selectors that are given.
	Secrets(domain string, selectors []string) []dkim.Name
	// KeysIn returns the keys of one of the secrets that are valid at now. Errors say nothing of what it holds.
	KeysIn(name dkim.Name, data map[string]any, now time.Time) ([]Text, error)
}

// Layout is how the signers of a driver keep their keys in Vault.
type Layout struct {
	Name string // of the driver
	InVault
}

// Text is a private key as a signer keeps it in Vault.
type Text struct {
	Selector string
	Text     []byte // PEM or base64; secret
}
