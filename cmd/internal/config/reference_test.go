package config

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
)

var (
	ownNames = regexp.MustCompile(`^(providers|signers|policies)\.[^.]+`)
	indices  = regexp.MustCompile(`\[\d+\]`)
)

// general returns the path of a group with NAME for names of the operator's own.
func general(path string) string {
	path = indices.ReplaceAllString(ownNames.ReplaceAllString(path, "$1.NAME"), "[]")
	if strings.HasPrefix(path, "[]") { // an included file is a list of domains
		return "domains" + path
	}
	return path
}

// The reference page holds exactly the keys that the reader asks for: it is made from
// Reference, and here both are compared over all files of testdata.
func TestReferenceIsWhatIsRead(t *testing.T) {
	read := map[string]map[string]bool{}
	asked := func(path string, known []string) {
		path = general(path)
		if read[path] == nil {
			read[path] = map[string]bool{}
		}
		for _, key := range known {
			read[path][key] = true
		}
	}
	for _, kind := range []string{"good", "bad", "warn"} {
		each(t, kind, func(t *testing.T, name, _ string, env node.Lookup) {
			build(name, env, Builtin(), &node.Findings{Asked: asked})
		})
	}
	delete(read["state"], "url_file") // of PostgreSQL, which is refused by name
	delete(read["state"], "url_env")
	delete(read["state"], "url")
	listed := map[string]map[string]bool{}
	for g := range Reference(Builtin()) {
		if listed[g.Path] == nil {
			listed[g.Path] = map[string]bool{}
		}
		for _, f := range g.Fields {
			if f.Meaning == "" || g.Meaning == "" || f.Type() == "" {
				t.Errorf("%s.%s: no meaning, or no type", g.Path, f.Key)
			}
			for _, key := range f.Ways() {
				listed[g.Path][key] = true
			}
		}
	}
	if d := cmp.Diff(keys(read), keys(listed)); d != "" {
		t.Errorf("the reader asks for keys that Reference does not have (-), or the other way round (+):\n%s", d)
	}
}

func keys(groups map[string]map[string]bool) map[string][]string {
	out := map[string][]string{}
	for path, set := range groups {
		out[filepath.Clean("/"+path)] = slices.Sorted(maps.Keys(set))
	}
	return out
}
