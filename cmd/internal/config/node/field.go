package node

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Read fills in settings, and reports every rule that is broken. claims says what of that
// which can serve one only serves which already.
func (s *Section) Read(of settings.Settings, claims map[string]string) {
	ways, broken := map[string][]string{}, map[string]bool{}
	for _, f := range of.Fields() {
		before := len(s.Doc.Errs)
		s.field(f)
		if len(s.Doc.Errs) == before && f.Claim != nil && s.Has(f.Key) {
			s.claim(f, claims)
		}
		ways[f.Key], broken[f.Key] = f.Ways(), len(s.Doc.Errs) > before
	}
	if ruled, ok := of.(settings.Ruled); ok {
		for _, p := range ruled.Rules() {
			if !slices.ContainsFunc(p.Keys, func(key string) bool { return broken[key] }) {
				s.rule(p, ways)
			}
		}
	}
}

// rule reports a problem of several keys at the first that stands in the section.
func (s *Section) rule(p *settings.Problem, ways map[string][]string) {
	line, path := s.Line, s.Join(p.Keys[0])
	for _, key := range p.Keys {
		if s.Has(ways[key]...) {
			line, path = s.At(ways[key]...)
			break
		}
	}
	if p.Warning {
		s.Doc.Warn(line, path, p.Text, p.Remedy)
		return
	}
	s.Doc.Fail(line, path, p.Text, p.Remedy)
}

func (s *Section) claim(f settings.Field, claims map[string]string) {
	v := s.Get(f.Key)
	if c := f.Claim(); c != nil {
		v.problem(c.Take(v.Path, claims))
	}
}

// problem reports p, if it is one.
func (v Value) problem(p *settings.Problem) bool {
	if p != nil {
		v.Fail(p.Text, p.Remedy)
	}
	return p != nil
}

// field reads one field, or reports why not.
func (s *Section) field(f settings.Field) {
	if into, ok := f.Into.(*settings.Secret); ok {
		*into = s.secretField(f)
		return
	}
	v, ok := s.Take(f.Key)
	if !ok {
		if f.Need != "" && !s.Has(f.Key) {
			s.Doc.Fail(s.Line, s.Join(f.Key), "is missing", f.Need)
		}
		return
	}
	switch into := f.Into.(type) {
	case *string:
		v.textField(f, into)
	case *bool:
		*into = s.Boolean(f.Key, *into)
	case *int:
		*into = int(s.Number(f.Key, f.Least, f.Most))
	case *float64:
		*into = s.Number(f.Key, f.Least, f.Most)
	case *time.Duration:
		if d, ok := v.Duration(); ok && !v.problem(f.CheckDuration(d)) {
			*into = d
		}
	case *[]string:
		*into = v.Command()
	}
}

func (v Value) textField(f settings.Field, into *string) {
	t, ok := v.Text()
	if !ok {
		return
	}
	if t, p := f.ParseText(t, v.place()); !v.problem(p) {
		*into = t
	}
}

func (v Value) place() settings.Place { return settings.Place{Dir: v.Doc.Dir} }

func (s *Section) secretField(f settings.Field) settings.Secret {
	found := s.Secret(f.Key, "")
	switch {
	case !found.IsSet():
		if f.Need != "" && !s.Has(f.Ways()...) {
			s.Doc.Fail(s.Line, s.Join(f.Ways()[0]), "is missing", f.Need)
		}
	case f.Check != nil:
		text, err := found.Read()
		if err != nil {
			break // reported where it was read first
		}
		if p := f.Check(text); p != nil {
			line, path := s.At(f.Ways()...)
			s.Doc.Fail(line, path, p.Text, p.Remedy)
		}
	}
	return found
}
