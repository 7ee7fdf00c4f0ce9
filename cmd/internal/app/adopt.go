package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/keystore/vault"
	"github.com/dkimbot/dkimbot/providers"
	"github.com/dkimbot/dkimbot/rotate"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim"
)

// KeySource says where the keys to adopt are. Exactly one of Files, OpenDKIM, Vault
// and Keystore is set.
type KeySource struct {
	Files    []KeyFile
	OpenDKIM *opendkim.Existing
	Vault    *VaultLayout
	Keystore bool // in dkimbot's own: its state was lost (I12)

	Selectors []string // only these; the policy's when empty
	Active    string   // the selector that signs now; "" when the signers tell
}

// KeyFile is a private key in a file.
type KeyFile struct {
	Selector string
	Path     string // "-" for In
	In       io.Reader
}

// VaultLayout is where another system keeps its keys, in the Vault that dkimbot uses.
type VaultLayout struct {
	Path   string // the mount and the path below it
	Layout vault.Layout
}

// Finder finds keys to adopt.
type Finder struct {
	app    *App
	source KeySource
	keys   rotate.KeyReader
	look   rotate.Looker
	vault  *vault.Store // for Vault
}

// Find returns what finds keys where source says, for this app.
func (a *App) Find(ctx context.Context, source KeySource) (*Finder, error) {
	f := &Finder{app: a, source: source}
	if a.Engine != nil {
		f.keys, f.look = a.Engine.Keys, a.Engine.Look
	} else {
		f.keys, f.look = a.Planner.Keys, a.Planner.Look
	}
	if source.Vault == nil {
		return f, nil
	}
	own := a.Config.Keystore.Vault
	if own == nil {
		return nil, fault.Lasting("read keys in Vault", errors.New("the configuration's keystore is not in Vault"), "set keystore.driver to vault; the keys are read with its address and login")
	}
	there := *own
	there.Mount, there.Prefix = vault.SplitPath(source.Vault.Path, own.Mount)
	store, err := openVault(ctx, &there)
	if err != nil {
		return nil, err
	}
	a.closers = append(a.closers, store.Close)
	f.vault = store
	return f, nil
}

// Found is what a Finder found for a domain.
type Found struct {
	rotate.Adoption
	Notes []string // what a person should know of the place where the keys were
}

// Keys returns the keys of a domain, at least one.
func (f *Finder) Keys(ctx context.Context, d rotate.Domain) (Found, error) {
	if f.source.Keystore {
		return f.inKeystore(ctx, d)
	}
	out := Found{Adoption: rotate.Adoption{Active: f.source.Active}}
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
	return fault.Refuse("no-key", fmt.Sprintf("adopt keys of %s: there is none for it in %s", d.Name, where),
		"a domain that dkimbot has no key for is brought up with 'dkimbot rotate --domain "+d.Name+"'")
}

// keyText is a private key as it stands somewhere.
type keyText struct {
	selector string
	where    string
	text     []byte
}

func (f *Finder) texts(ctx context.Context, d rotate.Domain, out *Found) ([]keyText, string, error) {
	switch s := f.source; {
	case s.OpenDKIM != nil:
		texts, err := f.inTables(d, out)
		return texts, "the tables", err
	case s.Vault != nil:
		texts, err := f.inLayout(ctx, d)
		return texts, s.Vault.Path, err
	}
	texts, err := f.inFiles()
	return texts, "the files", err
}

// wanted returns the selectors to look at.
func (f *Finder) wanted(d rotate.Domain) []string {
	if len(f.source.Selectors) > 0 {
		return f.source.Selectors
	}
	return d.Policy.Selectors[:]
}

// maxKeyFile is far more than a key has.
const maxKeyFile = 64 << 10

func (f *Finder) inFiles() (texts []keyText, err error) {
	for _, file := range f.source.Files {
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
func (k KeyFile) read() ([]byte, error) {
	if k.Path != "-" {
		return safefile.Read(k.Path, maxKeyFile)
	}
	text, err := io.ReadAll(io.LimitReader(k.In, maxKeyFile+1))
	if err == nil && len(text) > maxKeyFile {
		err = errors.New("it is too large for a key")
	}
	return text, err
}

// inTables returns the key that the tables have in use, whatever its selector, and
// those of the wanted selectors.
func (f *Finder) inTables(d rotate.Domain, out *Found) (texts []keyText, err error) {
	for _, k := range f.source.OpenDKIM.Keys(d.Name) {
		chosen := slices.ContainsFunc(f.wanted(d), func(s string) bool { return strings.EqualFold(s, k.Selector) })
		if !chosen && (!k.InUse || len(f.source.Selectors) > 0) {
			continue
		}
		text, err := k.Read()
		if err != nil {
			return nil, err
		}
		where := "the KeyTable"
		if k.Path != "" {
			where = k.Path
			out.Notes = append(out.Notes, fmt.Sprintf("%s is a copy of the key of %s that dkimbot did not make; remove it, and the lines that name it, when that key has been replaced", k.Path, k.Selector))
		}
		texts = append(texts, keyText{selector: k.Selector, where: where, text: text})
	}
	return texts, nil
}

// inLayout returns the keys of the wanted selectors. When all are of others, none
// is left out: what to do about that is told later.
func (f *Finder) inLayout(ctx context.Context, d rotate.Domain) (texts []keyText, err error) {
	keys, err := f.vault.ReadLayout(ctx, f.source.Vault.Layout, d.Name, f.wanted(d))
	for _, k := range keys {
		texts = append(texts, keyText{selector: k.Selector, where: f.source.Vault.Path + " in Vault", text: k.Text})
	}
	wanted := func(t keyText) bool {
		return slices.ContainsFunc(f.wanted(d), func(s string) bool { return strings.EqualFold(s, t.selector) })
	}
	if slices.ContainsFunc(texts, wanted) || len(f.source.Selectors) > 0 {
		texts = slices.DeleteFunc(texts, func(t keyText) bool { return !wanted(t) })
	}
	return texts, err
}

// inKeystore returns what dkimbot's own keystore holds, at least one key.
func (f *Finder) inKeystore(ctx context.Context, d rotate.Domain) (Found, error) {
	a, err := rotate.InKeystore(ctx, f.keys, f.look, d.Name, f.wanted(d))
	a.Active = f.source.Active
	if err == nil && len(a.Keys)+len(a.Stored) == 0 {
		err = noKey(d, "the keystore")
	}
	return Found{Adoption: a}, err
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
		return dkim.SigningKey{}, &fault.Error{Kind: fault.Refused, Code: "encrypted-key", What: what, Err: err,
			Hint: "decrypt it on the way: openssl pkey -in FILE | dkimbot adopt --domain " + d.Name + " --selector " + selector + " --key-file -"}
	case errors.As(err, &weak):
		return dkim.SigningKey{}, &fault.Error{Kind: fault.Refused, Code: "weak-key", What: what, Err: err,
			Hint: "don't adopt it, move away from it: name two other selectors in the domain's policy and run 'dkimbot rotate --domain " + d.Name + "'; it switches without a gap and leaves the record of " + selector + " alone"}
	}
	return dkim.SigningKey{}, &fault.Error{Kind: fault.Refused, Code: "unusable-key", What: what, Err: err, Hint: "give an RSA or Ed25519 private key in PEM (PKCS#8 or PKCS#1)"}
}

// Adopt adopts what is found for the domains, side by side, waits as patience
// allows, and calls each with every result as it comes, one call at a time.
func (a *App) Adopt(ctx context.Context, domains []rotate.Domain, req rotate.Request, source KeySource, patience rotate.Patience, waiting func(string, rotate.Next), each func(rotate.Result)) error {
	finder, err := a.Find(ctx, source)
	if err != nil {
		return err
	}
	rotate.SideBySide(domains, waiting, each, func(d rotate.Domain, waiting func(string, rotate.Next)) rotate.Result {
		return a.adopt(ctx, d, req, finder, patience, waiting)
	})
	return nil
}

func (a *App) adopt(ctx context.Context, d rotate.Domain, req rotate.Request, finder *Finder, patience rotate.Patience, waiting func(string, rotate.Next)) rotate.Result {
	found, err := finder.Keys(ctx, d)
	if err != nil {
		return rotate.Result{Domain: d.Name, Err: err}
	}
	res := a.Engine.Adopt(ctx, d, req, found.Adoption)
	if res.Err == nil && ctx.Err() == nil {
		done := res.Done
		res = a.Engine.Settle(ctx, d, req, patience, waiting)
		res.Done = append(done, res.Done...)
	}
	if len(res.Done) > 0 {
		res.Plan.Warnings = slices.Concat(res.Plan.Warnings, found.Notes, a.handOver(d, found, res.Plan))
	}
	return res
}

// handOver tells of adopted records that stand outside of what dkimbot changes in a zone file.
func (a *App) handOver(d rotate.Domain, found Found, plan rotate.DomainPlan) (notes []string) {
	files, ok := a.Config.Providers[d.Provider].Account.(*providers.ZoneFile)
	if !ok {
		return nil
	}
	for _, k := range found.Keys {
		sight := plan.Seen.Selectors[k.Selector].Sight
		owns, err := files.Owns(sight.Zone, sight.Owner)
		if err == nil && !owns {
			notes = append(notes, fmt.Sprintf("the record of %s stands in its zone file outside of dkimbot's block, where dkimbot changes nothing: move it between the lines that begin with \"; BEGIN dkimbot\" and \"; END dkimbot\" before it is to be replaced", k.Name))
		}
	}
	return notes
}

// PlanAdoption plans the adoption of what is found for the domains, in their order.
func (a *App) PlanAdoption(ctx context.Context, domains []rotate.Domain, req rotate.Request, source KeySource) ([]rotate.DomainPlan, error) {
	finder, err := a.Find(ctx, source)
	if err != nil {
		return nil, err
	}
	var plans []rotate.DomainPlan
	for _, d := range domains {
		found, err := finder.Keys(ctx, d)
		if err != nil {
			plans = append(plans, rotate.DomainPlan{Name: d.Name, Stop: err})
			continue
		}
		plan, err := a.Planner.PlanAdoption(ctx, d, req, found.Adoption)
		if err != nil {
			return nil, err
		}
		if plan.Stop == nil {
			plan.Warnings = slices.Concat(plan.Warnings, found.Notes, a.handOver(d, found, plan))
		}
		plans = append(plans, plan)
	}
	return plans, nil
}
