package maps

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer"
	"github.com/dkimbot/dkimbot/rotate/signer/keyfiles"
)

// Active returns what each of the domains is signed with: maps and key files are read as rspamd reads them, foreign
// lines included. A domain that no map names, or that has no key, is left out; so is one whose maps of
// dkim_signing and arc differ, since neither is then the only one. A key file that can't be read fails its own domain.
// Where rspamd itself can be asked, what it signs with counts.
func (s *Signer) Active(ctx context.Context, domains []string) (map[string]dkim.Ref, error) {
	if len(domains) == 0 {
		return map[string]dkim.Ref{}, nil
	}
	if err := s.store.KnowsReader(NameReader); err != nil {
		return nil, err
	}
	if err := s.moved(); err != nil {
		return nil, err
	}
	active, failed, err := s.signing(ctx, domains)
	if err != nil {
		return nil, err
	}
	return s.cfg.Witness.Seen(ctx, domains, active, failed)
}

// module is what one module of rspamd reads.
type module struct {
	selectors, paths map[string]string
	ours             map[string]string // our lines of the map of selectors
	pathMap          string            // "" for none
}

// modules reads the maps of dkim_signing and of arc, where that has any.
func (s *Signer) modules() (out []module, err error) {
	for _, of := range [][2]string{{s.cfg.SelectorMap, s.cfg.PathMap}, {s.cfg.ArcSelectorMap, s.cfg.ArcPathMap}} {
		if of[0] == "" {
			continue
		}
		var m [2]map[string]string
		var ours map[string]string
		for i, path := range of {
			if path == "" {
				continue
			}
			data, err := keyfiles.ReadTable(path)
			if err != nil {
				return nil, s.store.Fault("read map "+path, err)
			}
			if m[i] = entries(data); i == 0 {
				block, _ := format.Parse(data) // Screen refuses one that is damaged
				ours = block.Ours
			}
		}
		out = append(out, module{m[0], m[1], ours, of[1]})
	}
	return out, nil
}

func (s *Signer) signing(ctx context.Context, domains []string) (active map[string]dkim.Ref, failed map[string]error,
	err error) {
	all, err := s.modules()
	if err != nil {
		return nil, nil, err
	}
	return signer.Signing(ctx, s.cfg.Name, domains, func(domain string) (first dkim.Ref, err error) {
		for i, m := range all {
			ref, err := s.signs(domain, m)
			switch {
			case err != nil:
				return dkim.Ref{}, err
			case i == 0:
				first = ref
			case ref != first:
				return dkim.Ref{}, nil // the modules differ, so that neither's key is the only one
			}
		}
		return first, nil
	})
}

// pathLost reports whether a map of paths has lost our line for a domain, whose selector is by our line. Where rspamd
// has no path beside it, nothing is signed without it.
func (m module) pathLost(domain string) bool {
	return m.pathMap != "" && m.ours[domain] != "" && m.paths[domain] == ""
}

// signs says what one module signs a domain with.
func (s *Signer) signs(domain string, m module) (dkim.Ref, error) {
	n := dkim.Name{Domain: domain, Selector: strings.ToLower(m.selectors[domain])}
	if n.Selector == "" || m.pathLost(domain) {
		return dkim.Ref{}, nil
	}
	path := s.template()
	if line := m.paths[domain]; line != "" {
		path = line
	}
	path = expand(path, n)
	key, err := s.store.PublicAt(path)
	return dkim.Ref{Name: n, KeyID: key.ID()}, err
}

// clashes returns what says, for a domain, which selectors the maps name now, or why a switch to a selector would not
// be safe; no selector is any other one.
func (s *Signer) clashes(m *maps) func(dkim.Name) (current []string, err error) {
	return func(n dkim.Name) (current []string, err error) {
		domain, signed, ours, stays := n.Domain, false, true, true
		for _, r := range m.selectors {
			selector := strings.ToLower(r.lines[domain])
			if selector == "" {
				continue
			}
			current, signed = append(current, selector), true
			ours = ours && strings.EqualFold(selector, r.Ours[domain])
			stays = stays && strings.EqualFold(selector, n.Selector)
			if err := s.missing(domain, selector, r); err != nil {
				return nil, err
			}
		}
		for _, r := range m.paths {
			line := r.lines[domain]
			fits := line != "" && s.leads(line, domain) || line == "" && !signed
			lost := signed && ours && (stays || !s.signsBy(line, domain, current))
			if !fits && !lost { // a line of ours that is lost is written again
				return nil, s.unsafePath(domain, line, r, current)
			}
		}
		return current, nil
	}
}

// signsBy reports whether a line of others in a map of paths leads to the key of a selector in force: mail verifies,
// and would not while one map is read and the other is not yet.
func (s *Signer) signsBy(line, domain string, current []string) bool {
	return line != "" && slices.ContainsFunc(current, func(selector string) bool {
		n := dkim.Name{Domain: domain, Selector: selector}
		by, err := keyfiles.ReadPublic(expand(line, n))
		is, _ := keyfiles.ReadPublic(filepath.Join(s.cfg.KeyDir, fileName(n)))
		return !by.IsZero() && by.ID() == is.ID() || err != nil && !errors.Is(err, fs.ErrNotExist)
	})
}

// missing refuses a domain that somebody else's line has signed with a selector whose key stands in another
// directory: then rspamd's path is another one, too, and would not find ours.
func (s *Signer) missing(domain, selector string, r *ruled) error {
	name := fileName(dkim.Name{Domain: domain, Selector: selector})
	if _, ours := r.Ours[domain]; ours {
		return nil
	}
	if _, err := keyfiles.ReadKey(filepath.Join(s.cfg.KeyDir, name)); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return &fault.Error{Kind: fault.Refused, Code: codes.ForeignSignerLine,
		What: fmt.Sprintf("switch %s on signer %s", domain, s.cfg.Name),
		Err:  fmt.Errorf("%s names selector %s, and %s lacks its key %s", r.path, selector, s.cfg.KeyDir, name),
		Hint: fmt.Sprintf("copy the key to %s, for rspamd's user to read, write path = %q in rspamd's configuration, "+
			"and take path_map and the domain's group in domain { } out of it",
			filepath.Join(s.cfg.KeyDir, name), s.template())}
}

// unsafePath refuses a line of a map of paths that names a file without the selector, or none for a domain that is
// signed: between the two maps rspamd would pair the new selector with the old key.
func (s *Signer) unsafePath(domain, line string, r *ruled, current []string) error {
	says := "has no line for it, and it is signed with selector " + strings.Join(current, " and ")
	if line != "" {
		says = fmt.Sprintf("has %q for it, which does not hold the selector, or leads elsewhere", line)
	}
	return &fault.Error{Kind: fault.Refused, Code: codes.ForeignSignerLine,
		What: fmt.Sprintf("switch %s on signer %s", domain, s.cfg.Name),
		Err:  fmt.Errorf("%s %s; rspamd reads its maps one by one, and would sign with a key under the other's selector", r.path, says),
		Hint: fmt.Sprintf("copy its key to %s, for rspamd's user to read, and make this its line: %s %s; then wait for %s",
			filepath.Join(s.cfg.KeyDir, domain+".SELECTOR.key"), domain, s.template(), calendar.Span(s.cfg.Lag))}
}
