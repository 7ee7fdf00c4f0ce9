package maps

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/calendar"
	"github.com/dkimbot/dkimbot/rotate/codes"
	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/safefile"
	"github.com/dkimbot/dkimbot/rotate/signer"
)

// Forget removes the key files that hold these keys and that dkimbot wrote. A key that a map names is kept and refused
// with the code "key-in-use", and so is one whose file a map has another domain signed with; one that the maps led away
// from less than Lag ago is removed later. Forgetting what is not there succeeds. Failures are by domain, as with
// Activate.
func (s *Signer) Forget(ctx context.Context, keys []dkim.Ref) error {
	m, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer m.close()
	dir, err := s.store.Open()
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Tidy(".key"); err != nil {
		return err
	}
	asides, err := dir.Asides()
	if err != nil {
		return err
	}
	failed, gone := map[string]error{}, []string{}
	for _, ref := range keys {
		what := signer.Forgetting(ref, s.cfg.Name)
		if err := signer.CheckForgotten(ref, s.cfg.Name); err != nil {
			failed[ref.Domain] = err
			continue
		}
		file := fileName(ref.Name)
		for _, displaced := range asides[file] {
			if err := dir.RemoveNamed(displaced, ref.KeyID); err != nil {
				failed[ref.Domain] = err
			}
		}
		held, there, err := dir.Holds(file)
		mapped := m.names(ref.Name)
		switch {
		case safefile.IsRefused(err): // not a file of ours
		case err != nil:
			failed[ref.Domain] = err
		case there && held.KeyID != ref.KeyID || there && !m.notes.own(file, held.KeyID):
			// a newer key, or somebody else's
		case there && mapped != "":
			failed[ref.Domain] = &fault.Error{Kind: fault.Refused, Code: codes.KeyInUse, What: what,
				Err:  fmt.Errorf("%s names its selector", mapped),
				Hint: signer.ReplaceFirst("its line in the map")}
		case there && m.user(ref.Name) != "":
			failed[ref.Domain] = signer.OthersUse(ref, s.cfg.Name, file, m.user(ref.Name))
		case there && m.notes.read(file, s.now(), s.cfg.Lag):
			failed[ref.Domain] = fault.Temporary(what, errors.New("a process of rspamd may have the map from before the switch, and "+
				"would sign no mail without the key file"), fmt.Sprintf("nothing needs to be done: it is removed %s after the switch",
				calendar.Span(s.cfg.Lag)))
		default:
			if err := dir.RemoveNamed(file, ref.KeyID); err != nil {
				failed[ref.Domain] = err
				continue
			}
			gone = append(gone, file)
		}
	}
	for _, file := range gone {
		m.notes.forget(file)
	}
	if err := s.writeNotes(m.notes); err != nil {
		return err
	}
	return signer.Partial(failed, len(keys))
}

// leaves reports whether every map has the domain signed by a line of dkimbot's, with another selector than this one:
// then nothing signs with what stands in the place of this selector's key, whoever put it there.
func (m *maps) leaves(n dkim.Name) bool {
	for _, r := range m.selectors {
		if line := r.lines[n.Domain]; line == "" || line != r.Ours[n.Domain] || strings.EqualFold(line, n.Selector) {
			return false
		}
	}
	return true
}

// names returns the map that has a domain signed with a selector, "" for none.
func (m *maps) names(n dkim.Name) string {
	for _, r := range m.selectors {
		if strings.EqualFold(r.lines[n.Domain], n.Selector) {
			return r.path
		}
	}
	return ""
}
