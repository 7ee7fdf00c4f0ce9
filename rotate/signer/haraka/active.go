package haraka

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Active returns what each of the domains is signed with: smtp.json, and where it says nothing the domain's two files,
// are read as Haraka reads them. A domain that has no directory, or no key, is left out.
func (s *Signer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	if len(domains) == 0 {
		return map[string]dkim.Ref{}, nil
	}
	if err := s.knowsReader(); err != nil {
		return nil, err
	}
	if err := s.store.Moved(s.path()); err != nil {
		return nil, err
	}
	o, err := s.look()
	if err != nil {
		return nil, err
	}
	active, failed, err := signer.Signing(ctx, s.cfg.Name, domains, func(domain string) (dkim.Ref, error) {
		return s.signs(o, domain)
	})
	if err != nil {
		return nil, err
	}
	return active, signer.Partial(failed, len(domains))
}

// look reads smtp.json as it is.
func (s *Signer) look() (*overrides, error) {
	data, err := keyfiles.ReadTable(s.path())
	if err != nil {
		return nil, s.store.Fault("read "+s.path(), err)
	}
	return s.parse(data)
}

// signs says what a domain is signed with; the zero Ref for nothing.
func (s *Signer) signs(o *overrides, domain string) (dkim.Ref, error) {
	if !s.has(domain) {
		return dkim.Ref{}, nil
	}
	values := map[string]string{}
	for _, file := range []string{selector, private} {
		value, there, ok := o.value(domain, file)
		if !ok {
			return dkim.Ref{}, &fault.Error{Kind: fault.Permanent, Code: codes.ForeignSignerLine,
				What: fmt.Sprintf("find out what signer %s signs %s with", s.cfg.Name, domain),
				Err:  fmt.Errorf("the member %s of %s is no list of lines", override(domain, file), s.path()),
				Hint: "write it as a list: [\"s1\"]"}
		}
		if !there {
			path := filepath.Join(s.store.Path, domain, file)
			read := keyfiles.ReadKey
			if file == selector { // it is shown, so that a link of Haraka's user to a file of root's is not followed (I9)
				read = keyfiles.ReadTable
			}
			data, err := read(path)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return dkim.Ref{}, s.store.Fault("read "+path, err)
			}
			value = string(data)
		}
		values[file] = strings.TrimSpace(value)
	}
	if values[selector] == "" || values[private] == "" {
		return dkim.Ref{}, nil
	}
	name := dkim.Name{Domain: domain, Selector: strings.ToLower(values[selector])}
	if name.Check() != nil {
		return dkim.Ref{}, &fault.Error{Kind: fault.Permanent, Code: codes.ForeignSignerLine,
			What: fmt.Sprintf("find out what signer %s signs %s with", s.cfg.Name, domain),
			Err:  errors.New("what stands there as its selector is none"), Hint: "write one selector, in one line"}
	}
	return dkim.Ref{Name: name, KeyID: keyfiles.KeyIDIn([]byte(values[private]))}, nil
}
