package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A package that a stranger is to understand has a size, a receiver too.
const (
	mostLines   = 2500
	mostMethods = 45
)

// large are the packages that may have more lines, with the reason.
var large = map[string]string{
	"rotate/simulate": "the model of the world: it is no part of the program",
}

// laden are the receivers that may have more methods, with the reason.
var laden = map[string]string{}

// room is what the tests read of a package.
type room struct {
	lines   int
	methods map[string]int  // by receiver
	imports map[string]bool // of this program
}

// rooms returns the packages of the program by their paths, without their tests.
func rooms(t *testing.T) map[string]*room {
	t.Helper()
	out := map[string]*room{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (e.Name() == "testdata" || hidden(e)):
			return fs.SkipDir
		case e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		if out[dir] == nil {
			out[dir] = &room{methods: map[string]int{}, imports: map[string]bool{}}
		}
		return out[dir].read(path)
	})
	if err != nil || len(out) < 50 {
		t.Fatalf("%d packages; %v", len(out), err)
	}
	return out
}

func (r *room) read(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	r.lines += strings.Count(string(text), "\n")
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Recv != nil {
			of := f.Recv.List[0].Type
			if pointer, ok := of.(*ast.StarExpr); ok {
				of = pointer.X
			}
			if name, ok := of.(*ast.Ident); ok {
				r.methods[name.Name]++
			}
		}
	}
	for _, i := range file.Imports {
		whole, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			return err
		}
		if own, is := strings.CutPrefix(whole, "github.com/dkimbot/dkimbot/"); is {
			r.imports[own] = true
		}
	}
	return nil
}

// TestRoomsHaveASize: no package and no receiver grows until nobody reads it any more.
func TestRoomsHaveASize(t *testing.T) {
	all := rooms(t)
	for path, r := range all {
		reason, excused := large[path]
		if r.lines > mostLines && !excused {
			t.Errorf("%s has %d lines, and %d are the most: find the second idea in it, and give it a room", path, r.lines,
				mostLines)
		}
		if excused && r.lines <= mostLines {
			t.Errorf("%s has only %d lines: it needs no excuse (%s)", path, r.lines, reason)
		}
		for receiver, n := range r.methods {
			_, excused := laden[path+"."+receiver]
			if path != "rotate/simulate" && n > mostMethods && !excused {
				t.Errorf("%s: %s has %d methods, and %d are the most", path, receiver, n, mostMethods)
			}
			if excused && n <= mostMethods {
				t.Errorf("%s: %s has only %d methods: it needs no excuse", path, receiver, n)
			}
		}
	}
	for path := range large {
		if all[path] == nil {
			t.Errorf("%s is excused, and there is no such package", path)
		}
	}
}

// arrows are what the rooms of the heart may import of this program: arrows point one way.
var arrows = map[string][]string{
	"rotate/codes":    nil,
	"rotate/calendar": nil,
	"rotate/dkim":     nil,
	"rotate/fault":    {"rotate/codes"},
	"rotate/finding":  {"rotate/codes", "rotate/dkim", "rotate/fault"},
	"rotate":          {"rotate/calendar", "rotate/codes", "rotate/dkim", "rotate/fault", "rotate/finding"},
	"rotate/follow":   {"rotate", "rotate/calendar", "rotate/codes", "rotate/dkim", "rotate/fault", "rotate/finding"},
	"rotate/ports":    {"rotate", "rotate/calendar", "rotate/codes", "rotate/dkim", "rotate/fault", "rotate/finding"},
	"rotate/foresight": {"rotate", "rotate/codes", "rotate/dkim", "rotate/fault", "rotate/finding", "rotate/ports",
		"rotate/preflight"},
	"rotate/preflight": {"rotate/codes", "rotate/dkim", "rotate/fault"},
	"rotate/batch":     {"rotate", "rotate/codes", "rotate/fault", "rotate/ports"},
	"rotate/lease":     {"rotate", "rotate/calendar", "rotate/codes", "rotate/fault", "rotate/ports"},
	"rotate/quota":     {"rotate", "rotate/calendar", "rotate/ports"},
	"rotate/approval":  {"rotate", "rotate/calendar", "rotate/codes", "rotate/dkim", "rotate/fault"},
	"rotate/shown":     {"rotate", "rotate/codes", "rotate/dkim", "rotate/fault", "rotate/finding"},
	"rotate/health": {"rotate", "rotate/calendar", "rotate/codes", "rotate/dkim", "rotate/fault", "rotate/finding",
		"rotate/follow", "rotate/shown"},
	"rotate/algorithm": {"rotate", "rotate/dkim", "rotate/health"},
	"rotate/handover": {"rotate", "rotate/batch", "rotate/dkim", "rotate/fault", "rotate/health", "rotate/observe",
		"rotate/ports"},
	"rotate/hasten": {"rotate", "rotate/codes", "rotate/dkim", "rotate/fault", "rotate/finding", "rotate/health", "rotate/ports",
		"rotate/wayout"},
	"rotate/wayout": {"rotate", "rotate/algorithm", "rotate/calendar", "rotate/codes", "rotate/dkim", "rotate/fault", "rotate/finding",
		"rotate/health", "rotate/shown"},
	"rotate/plan": {"rotate", "rotate/algorithm", "rotate/calendar", "rotate/codes", "rotate/dkim", "rotate/fault", "rotate/finding",
		"rotate/follow", "rotate/health", "rotate/shown", "rotate/wayout"},
	"rotate/observe": {"rotate", "rotate/batch", "rotate/dkim", "rotate/fault", "rotate/finding", "rotate/follow",
		"rotate/health", "rotate/ports"},
	"rotate/adoption": {"rotate", "rotate/codes", "rotate/dkim", "rotate/fault", "rotate/follow", "rotate/health", "rotate/plan"},
	"rotate/forecast": {"rotate", "rotate/codes", "rotate/dkim", "rotate/fault", "rotate/finding", "rotate/health",
		"rotate/plan", "rotate/shown"},
	"rotate/keyring":   {"rotate", "rotate/codes", "rotate/dkim", "rotate/fault", "rotate/ports"},
	"rotate/testmail":  {"rotate/codes", "rotate/dkim", "rotate/fault"},
	"rotate/scheduler": {"rotate", "rotate/codes", "rotate/engine", "rotate/fault", "rotate/hasten", "rotate/ports"},
	"cmd/dkimbot":      {"cmd/internal/cli"},
	"cmd/internal/report": {"rotate", "rotate/codes", "rotate/dkim", "rotate/engine", "rotate/fault", "rotate/finding",
		"rotate/forecast", "rotate/preflight", "rotate/simulate"},
	"cmd/internal/planfile": {"cmd/internal/report", "rotate", "rotate/approval", "rotate/calendar",
		"rotate/codes", "rotate/dkim", "rotate/fault", "rotate/finding", "rotate/safefile"},
	"cmd/internal/show/screen": nil,
	"cmd/internal/show/meaning": {"cmd/internal/show/screen", "rotate", "rotate/codes", "rotate/dkim", "rotate/fault",
		"rotate/shown"},
	"cmd/internal/show": {"cmd/internal/planfile", "cmd/internal/report", "cmd/internal/show/meaning",
		"cmd/internal/show/screen", "rotate", "rotate/calendar", "rotate/codes", "rotate/dkim", "rotate/engine", "rotate/fault", "rotate/finding"},
	"cmd/internal/notify": {"cmd/internal/report", "cmd/internal/show/screen", "rotate", "rotate/calendar", "rotate/child",
		"rotate/codes", "rotate/fault", "rotate/netlimit", "rotate/preflight", "rotate/safefile"},
	"cmd/internal/serve": {"cmd/internal/report", "cmd/internal/show", "cmd/internal/show/screen", "rotate",
		"rotate/codes", "rotate/dkim", "rotate/fault", "rotate/ports", "rotate/preflight", "rotate/safefile"},
	"cmd/internal/man":         nil,
	"cmd/internal/machine":     {"rotate/child", "rotate/fault", "rotate/ports"},
	"rotate/signer/existing":   {"rotate/dkim"},
	"rotate/signer/found":      {"rotate/child", "rotate/dkim", "rotate/safefile"},
	"cmd/internal/config/node": {"rotate/fault", "rotate/safefile", "rotate/settings"},
	"rotate/accounts":          {"rotate", "rotate/codes", "rotate/dkim", "rotate/fault", "rotate/ports", "rotate/preflight"},
	"rotate/engine": {"rotate", "rotate/accounts", "rotate/adoption", "rotate/approval", "rotate/batch", "rotate/calendar",
		"rotate/codes", "rotate/dkim", "rotate/fault", "rotate/finding", "rotate/follow", "rotate/forecast", "rotate/foresight",
		"rotate/handover", "rotate/hasten", "rotate/health", "rotate/keyring", "rotate/lease", "rotate/observe", "rotate/order",
		"rotate/plan", "rotate/ports", "rotate/preflight", "rotate/quota", "rotate/shown", "rotate/wayout"},
}

func TestArrowsPointOneWay(t *testing.T) {
	all := rooms(t)
	for path, may := range arrows {
		r := all[path]
		if r == nil {
			t.Errorf("there is no package %s", path)
			continue
		}
		for _, i := range slices.Sorted(maps.Keys(r.imports)) {
			if !slices.Contains(may, i) {
				t.Errorf("%s imports %s", path, i)
			}
		}
	}
	for path, r := range all { // what is outside of the heart is not known in it
		if strings.HasPrefix(path, "rotate") && !strings.HasSuffix(path, "test") && path != "rotate/simulate" {
			for i := range r.imports {
				if !strings.HasPrefix(i, "rotate") {
					t.Errorf("%s imports %s", path, i)
				}
			}
		}
	}
}

// above are the rooms of the command line, the highest first: each may import those below it, and
// besides them nothing of cmd but what all of them may.
var above = []string{"cmd/internal/cli", "cmd/internal/cli/daemon", "cmd/internal/cli/act", "cmd/internal/cli/inspect",
	"cmd/internal/cli/console", "cmd/internal/setup", "cmd/internal/app", "cmd/internal/show", "cmd/internal/config"}

// TestCommandLineStandsAbove: no room below the command line imports what stands above it.
func TestCommandLineStandsAbove(t *testing.T) {
	all := rooms(t)
	for i, path := range above {
		for _, higher := range above[:i] {
			if all[path] == nil || all[path].imports[higher] {
				t.Errorf("%s is missing, or imports %s, which stands above it", path, higher)
			}
		}
	}
	for path, r := range all {
		for i := range r.imports {
			if strings.HasPrefix(i, "cmd/internal/cli") && !strings.HasPrefix(path, "cmd/") {
				t.Errorf("%s imports %s", path, i)
			}
		}
	}
}

// documents are the rooms with documents, and why: what the program prints and sends is the
// contract, and stands in report.
var documents = map[string]string{
	"cmd/internal/report":   "",
	"cmd/internal/planfile": "saved plans, which are also read",
	"cmd/internal/notify":   "the file in which it remembers what it has delivered",
}

// TestDocumentsStandInReport: the JSON documents of the program stand in one room.
func TestDocumentsStandInReport(t *testing.T) {
	homes := map[string]int{}
	err := filepath.WalkDir(filepath.Join(root, "cmd"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		dir, _ := filepath.Rel(root, filepath.Dir(path))
		homes[dir] += strings.Count(string(text), "`json:\"format_version\"`")
		return err
	})
	if err != nil || homes["cmd/internal/report"] < 10 {
		t.Fatalf("%v; %v", homes, err)
	}
	for dir, n := range homes {
		if _, home := documents[dir]; n > 0 && !home || dir == "cmd/internal/notify" && n > 1 {
			t.Errorf("%s has %d documents of its own", dir, n)
		}
	}
}

// pure are the rooms that are given nothing that can write or read, nor tell the time (I11): the arrows lead from
// them to no room that has a way out, such as rotate/ports.
var pure = []string{"rotate", "rotate/finding", "rotate/follow", "rotate/health", "rotate/order", "rotate/plan",
	"rotate/adoption", "rotate/forecast", "rotate/wayout"}

// measures are what pure rooms may take of package time: no clock and no timer.
var measures = []string{"Time", "Duration", "Hour", "Minute", "Second", "Parse", "ParseDuration", "DateOnly", "RFC3339"}

// TestPureByWayOfOthers: no pure room reaches the ports by way of a room that it imports (I11).
func TestPureByWayOfOthers(t *testing.T) {
	all := rooms(t)
	for _, from := range pure {
		seen, next := map[string]bool{}, []string{from}
		for len(next) > 0 {
			at := next[0]
			next = next[1:]
			if at == "rotate/ports" {
				t.Errorf("I11: %s reaches %s", from, at)
			}
			if seen[at] || all[at] == nil {
				continue
			}
			seen[at] = true
			next = append(next, slices.Sorted(maps.Keys(all[at].imports))...)
		}
		if len(seen) == 0 {
			t.Errorf("there is no package %s", from)
		}
	}
}

// TestPure: of the standard library the words, the planner and what it asks import nothing that reaches
// out, they import none of the ports, and they ask no clock (I11).
func TestPure(t *testing.T) {
	allowed := []string{"cmp", "crypto/sha256", "encoding/hex", "encoding/json", "errors", "fmt", "maps",
		"slices", "strconv", "strings", "time"}
	for _, dir := range pure {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil || len(files) < 3 {
			t.Fatalf("%s: %d files; %v", dir, len(files), err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parse(token.NewFileSet(), name)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range file.Imports {
				path, _ := strconv.Unquote(i.Path.Value)
				if !strings.Contains(path, ".") && !slices.Contains(allowed, path) || path == module+"rotate/ports" {
					t.Errorf("I11: %s imports %s", name, path)
				}
			}
			ast.Inspect(file, func(n ast.Node) bool {
				s, ok := n.(*ast.SelectorExpr)
				if !ok {
					return true
				}
				switch x, _ := s.X.(*ast.Ident); {
				case x == nil:
				case x.Name == "time" && !slices.Contains(measures, s.Sel.Name):
					t.Errorf("I11: %s takes time.%s: the time is given to it", name, s.Sel.Name)
				}
				return true
			})
		}
	}
}
