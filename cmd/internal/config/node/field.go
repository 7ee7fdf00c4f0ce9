package node

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/settings"
)

// Read fills in settings, and reports every rule that is broken. claims says what of that
// which can serve one only serves which already. It reports whether no rule is broken.
func (s *Section) Read(of settings.Settings, claims map[string]string) (well bool) {
	known := len(s.Doc.Errs)
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
	return len(s.Doc.Errs) == known
}

// Reader is what reads the value of a field itself: a list, or a word with a form of its own.
type Reader interface{ ReadValue(v Value) }

// rule reports a problem of several keys at the first that stands in the section.
func (s *Section) rule(p *settings.Problem, ways map[string][]string) {
	line, path := s.Line, s.Join(p.Keys[0])
	for _, key := range p.Keys {
		if s.Has(ways[key]...) {
			line, path = s.At(ways[key]...)
			break
		}
	}
	s.Doc.problem(line, path, p)
}

// problem reports p where it stands.
func (d *Document) problem(line int, path string, p *settings.Problem) {
	if p.Warning {
		d.Warn(line, path, p.Text, p.Remedy)
		return
	}
	d.Fail(line, path, p.Text, p.Remedy)
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
	if f.Into == nil {
		return
	}
	v, ok := s.Take(f.Key)
	if !ok {
		s.absent(f)
		return
	}
	switch into := f.Into.(type) {
	case Reader:
		into.ReadValue(v)
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

// absent fills in what counts when the key of a field is left out.
func (s *Section) absent(f settings.Field) {
	text, isText := f.Into.(*string)
	if isText && f.Variable != "" && !s.Has(f.Key) {
		if t, _ := s.Doc.Lookup(f.Variable); t != "" {
			*text = t
			return
		}
	}
	switch {
	case s.Has(f.Key): // empty, which is reported
	case f.Need != "":
		s.Doc.Fail(s.Line, s.Join(f.Key), "is missing", f.Need)
	case isText && *text != "" && f.Form.Parse != nil: // a default path is relative to the file, too
		if t, p := f.ParseText(*text, settings.Place{Dir: s.Doc.Dir}); p == nil {
			*text = t
		}
	}
}

func (v Value) textField(f settings.Field, into *string) {
	if n := v.target(); f.Blank && n.Tag == "!!str" && n.Value == "" {
		*into = ""
		return
	}
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
	s.awaits = f.Later
	found := s.Secret(f.Key, f.Variable)
	s.awaits = false
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
			s.Doc.problem(line, path, p)
		}
	}
	return found
}
