// Package keyimport finds private keys that are in use already, so that they can be adopted: in
// files, in what the files of a signer name, in the layout of another system in Vault, and in dkimbot's
// own keystore when its state was lost.
//
// It only reads. How a signer's files and layouts are read is said by its driver.
package keyimport

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/ports"
	"github.com/dkimbot/dkimbot/rotate/signer/existing"
)

// Source says where the keys to adopt are. Exactly one of Files, Named, Vault
// and Keystore is set.
type Source struct {
	Files    []File
	Named    existing.Keys // by the files of a signer
	Where    string        // those are, for people: "the tables"
	Vault    *Layout
	Keystore bool // in dkimbot's own: its state was lost (I12)

	Selectors []string // only these; the policy's when empty
	Active    string   // the selector that signs now; "" when the signers say
}

// File is a private key in a file.
type File struct {
	Selector string
	Path     string // "-" for In
	In       io.Reader
}

// Layout is where another system keeps its keys, in the Vault that dkimbot uses.
type Layout struct {
	Path string // the mount and the path below it
	Kind existing.Layout
}

// Finder finds keys to adopt. It only reads.
type Finder struct {
	Source Source
	Keys   ports.KeyReader // dkimbot's own keystore
	Look   ports.Looker
	Vault  *vault.Store // opened at the mount of Source.Vault; nil without that
}

// Found is what a Finder found for a domain.
type Found struct {
	rotate.Adoption
	Notes []finding.Warning // what a person should know of the place where the keys were
}

// Find returns the keys of a domain, at least one.
func (f *Finder) Find(ctx context.Context, d rotate.Domain) (Found, error) {
	if f.Source.Keystore {
		return f.inKeystore(ctx, d)
	}
	out := Found{Adoption: rotate.Adoption{Active: f.Source.Active}}
	texts, where, err := f.texts(ctx, d, &out)
	if err != nil {
		return out, err
	}
	for _, t := range texts {
		key, err := parse(d, t)
		if err != nil {
			return out, err
		}
		out.Keys = append(out.Keys, key)
	}
	if len(out.Keys) == 0 {
		return out, noKey(d, where)
	}
	return out, nil
}

func noKey(d rotate.Domain, where string) error {
	return fault.Refuse(codes.NoKey, fmt.Sprintf("adopt keys of %s: there is none for it in %s", d.Name, where),
		"a domain that dkimbot has no key for is brought up with 'dkimbot rotate --domain "+d.Name+"'")
}

// keyText is a private key as it stands somewhere.
type keyText struct {
	selector string
	where    string
	text     []byte
}

func (f *Finder) texts(ctx context.Context, d rotate.Domain, out *Found) ([]keyText, string, error) {
	switch s := f.Source; {
	case s.Named != nil:
		texts, err := f.named(d, out)
		return texts, s.Where, err
	case s.Vault != nil:
		texts, err := f.inLayout(ctx, d)
		return texts, s.Vault.Path, err
	}
	texts, err := f.inFiles()
	return texts, "the files", err
}

// wanted returns the selectors to look at.
func (f *Finder) wanted(d rotate.Domain) []string {
	if len(f.Source.Selectors) > 0 {
		return f.Source.Selectors
	}
	return d.Policy.Selectors[:]
}

// parse reads a key, and says what to do about one that can't be used.
func parse(d rotate.Domain, t keyText) (dkim.SigningKey, error) {
	what := fmt.Sprintf("adopt the key in %s for %s", t.where, d.Name)
	selector, err := dkim.ParseSelector(t.selector)
	if err != nil {
		return dkim.SigningKey{}, fault.Lasting(what, err, "correct the selector")
	}
	name := dkim.Name{Domain: d.Name, Selector: selector}
	key, err := dkim.ParseForeignKey(t.text)
	var weak *dkim.WeakKeyError
	switch {
	case err == nil:
		return dkim.SigningKey{Name: name, Key: key}, nil
	case errors.Is(err, dkim.ErrEncrypted):
		return dkim.SigningKey{}, &fault.Error{Kind: fault.Refused, Code: codes.EncryptedKey, What: what, Err: err,
			Hint: "decrypt it on the way: 'openssl pkey -in FILE | dkimbot adopt --domain " + d.Name + " --selector " +
				selector + " --key-file -'"}
	case errors.As(err, &weak):
		return dkim.SigningKey{}, &fault.Error{Kind: fault.Refused, Code: codes.WeakKey, What: what, Err: err,
			Hint: "don't adopt it, move away from it: " +
				"name two other selectors in the domain's policy and run 'dkimbot rotate --domain " + d.Name +
				"'; it switches without a gap and leaves the record of " + selector + " alone"}
	}
	return dkim.SigningKey{}, &fault.Error{
		Kind: fault.Refused,
		Code: codes.UnusableKey,
		What: what,
		Err:  err,
		Hint: "give an RSA or Ed25519 private key in PEM (PKCS#8 or PKCS#1)",
	}
}
