package keyimport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/finding"
	"github.com/dkimbot/dkimbot/rotate/keyring"
	"github.com/dkimbot/dkimbot/rotate/safefile"
)

// maxKeySize is far more than a key has.
const maxKeySize = 64 << 10

func (f *Finder) inFiles() (texts []keyText, err error) {
	for _, file := range f.Source.Files {
		where := file.Path
		if where == "-" {
			where = "standard input"
		}
		text, err := file.read()
		if err != nil {
			hint := safefile.Remedy(err)
			if hint == "" {
				hint = "name a file with the private key in PEM, or - for standard input"
			}
			return nil, fault.Lasting("read the key in "+where, err, hint)
		}
		texts = append(texts, keyText{selector: file.Selector, where: where, text: text})
	}
	return texts, nil
}

// read reads a key file, or standard input, which alone may be a pipe.
func (k File) read() ([]byte, error) {
	if k.Path != "-" {
		return safefile.Read(k.Path, maxKeySize)
	}
	text, err := io.ReadAll(io.LimitReader(k.In, maxKeySize+1))
	if err == nil && len(text) > maxKeySize {
		err = errors.New("it is too large for a key")
	}
	return text, err
}

// named returns the key that the signer has in use, whatever its selector, and
// those of the wanted selectors.
func (f *Finder) named(d rotate.Domain, out *Found) (texts []keyText, err error) {
	for _, k := range f.Source.Named.Of(d.Name) {
		chosen := slices.ContainsFunc(f.wanted(d), func(s string) bool { return strings.EqualFold(s, k.Selector) })
		if !chosen && (!k.InUse || len(f.Source.Selectors) > 0) {
			continue
		}
		text, err := k.Read()
		if err != nil {
			return nil, err
		}
		if k.Path != "" {
			out.Notes = append(out.Notes, finding.Warning{Code: codes.KeyCopy, About: finding.Thing{Selector: k.Selector},
				Message: fmt.Sprintf("%s is a copy of the key of %s that dkimbot did not make; "+
					"remove it, and the lines that name it, when that key has been replaced", k.Path, k.Selector)})
		}
		texts = append(texts, keyText{selector: k.Selector, where: k.Where, text: text})
	}
	return texts, nil
}

// inLayout returns the keys of the wanted selectors. When all are of others, none
// is left out: what to do about that is reported later.
func (f *Finder) inLayout(ctx context.Context, d rotate.Domain) (texts []keyText, err error) {
	keys, err := f.Vault.ReadLayout(ctx, f.Source.Vault.Kind, d.Name, f.wanted(d))
	for _, k := range keys {
		texts = append(texts, keyText{selector: k.Selector, where: f.Source.Vault.Path + " in Vault", text: k.Text})
	}
	wanted := func(t keyText) bool {
		return slices.ContainsFunc(f.wanted(d), func(s string) bool { return strings.EqualFold(s, t.selector) })
	}
	if slices.ContainsFunc(texts, wanted) || len(f.Source.Selectors) > 0 {
		texts = slices.DeleteFunc(texts, func(t keyText) bool { return !wanted(t) })
	}
	return texts, err
}

// inKeystore returns what dkimbot's own keystore holds, at least one key.
func (f *Finder) inKeystore(ctx context.Context, d rotate.Domain) (Found, error) {
	a, err := keyring.InKeystore(ctx, f.Keys, f.Look, d.Name, f.wanted(d))
	a.Active = f.Source.Active
	if err == nil && len(a.Keys)+len(a.Stored) == 0 {
		names := strings.Join(f.wanted(d), " and ")
		err = fault.Refuse(codes.NoKey, fmt.Sprintf("adopt keys of %s: there is none for it in the keystore at %s", d.Name, names),
			"if its keys are at other selectors, name those in the policy; a domain that dkimbot has no key for is brought up with "+
				"'dkimbot rotate --domain "+d.Name+"'")
	}
	return Found{Adoption: a}, err
}
