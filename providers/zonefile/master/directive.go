package master

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxDepth bounds files that include each other.
const maxDepth = 20

// directive carries out an entry that begins with a dollar sign.
func (r *Reader) directive(s *scope, words []string) error {
	name, args := strings.ToUpper(unquote(words[0])), words[1:]
	limits, ok := map[string][2]int{"$ORIGIN": {1, 1}, "$TTL": {1, 1}, "$INCLUDE": {1, 2}, "$DATE": {1, 1},
		"$GENERATE": {4, 1 << 20}}[name]
	if !ok {
		return quote("not a directive that is known here", words[0])
	}
	if len(args) < limits[0] || len(args) > limits[1] {
		return fmt.Errorf("%s has too few words or too many", name)
	}
	switch name {
	case "$ORIGIN":
		origin, err := absoluteName(args[0], s.origin)
		if err != nil {
			return err
		}
		s.origin = origin
	case "$TTL":
		ttl, ok := parseTTL(unquote(args[0]))
		if !ok {
			return quote("not a TTL", args[0])
		}
		r.defaultTTL = &ttl
	case "$INCLUDE":
		return r.include(s, args)
	case "$GENERATE":
		return r.generate(s, args)
	}
	return nil // $DATE, which BIND writes into files of keys, says nothing of records
}

// include reads another file in place of the entry. Origin and owner are those from
// before again when it ends. Who wrote the $INCLUDE must be able to read the file himself:
// otherwise he would read it through this process, which answers with what it holds.
func (r *Reader) include(s *scope, args []string) error {
	if s.depth >= maxDepth {
		return errors.New("the files include each other without end")
	}
	inner := &scope{path: unquote(args[0]), origin: s.origin, owner: s.owner, at: s.at, depth: s.depth + 1}
	if !filepath.IsAbs(inner.path) {
		inner.path = filepath.Join(filepath.Dir(s.path), inner.path)
	}
	inner.shown = inner.path
	if len(args) > 1 {
		var err error
		if inner.origin, err = absoluteName(args[1], s.origin); err != nil {
			return err
		}
	}
	c, err := ReadFile(inner.path, MaxFile-r.size, r.writers)
	if err != nil {
		return fmt.Errorf("the file to include can't be read: %w", err)
	}
	r.writers = r.writers.With(c.Writers)
	r.size += c.Info.Size()
	inner.text = c.Text
	inner.again = s.again || slices.ContainsFunc(r.Sources, func(old Source) bool { return os.SameFile(old.Info, c.Info) })
	if !slices.ContainsFunc(r.Sources, func(old Source) bool { return old.Path == inner.path }) {
		r.Sources = append(r.Sources, Source{inner.path, c.Info})
	}
	o, err := Scan(inner.text)
	var flaw *Flaw
	if errors.As(err, &flaw) {
		return &Flaw{File: inner.shown, Line: flaw.Line, Reason: flaw.Reason}
	}
	return r.read(inner, o)
}
