package config

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/cmd/internal/config/node"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/settings"
)

var update = flag.Bool("update", false, "write the .txt files next to the examples in testdata")

// secrets are put beside every file of testdata, with the modes that matter.
var secrets = map[string]struct {
	mode fs.FileMode
	text string
}{
	"ok.secret":    {0o600, "hunter2\n"},
	"group.secret": {0o640, "hunter2"},
	"world.secret": {0o644, "hunter2"},
	"empty.secret": {0o600, "\n"},
	"large.secret": {0o600, strings.Repeat("x", 64<<10+1)},
	"tsig.secret":  {0o600, "aHVudGVyMg==\n"},
	"bind.key":     {0o600, "key \"dkimbot.\" {\n\talgorithm hmac-sha256;\n\tsecret \"aHVudGVyMg==\";\n};\n"},
}

// stage puts src, and what may stand beside it, into a directory of its own and
// goes there. Lines "#! mode 0666" and "#! env NAME=VALUE" at its top say
// how it is to be read.
func stage(t *testing.T, src string) node.Lookup {
	t.Helper()
	data, err := os.ReadFile(src)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/beside")); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for name, s := range secrets {
		write(t, name, s.mode, s.text)
	}
	if err := syscall.Mkfifo("pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	mode, env := fs.FileMode(0o644), map[string]string{}
	for line := range strings.Lines(string(data)) {
		directive, ok := strings.CutPrefix(strings.TrimSpace(line), "#! ")
		if !ok {
			break
		}
		switch word, rest, _ := strings.Cut(directive, " "); word {
		case "mode":
			m, err := strconv.ParseUint(rest, 8, 32)
			if err != nil {
				t.Fatal(err)
			}
			mode = fs.FileMode(m)
		case "env":
			k, v, _ := strings.Cut(rest, "=")
			env[k] = v
		}
	}
	write(t, filepath.Base(src), mode, string(data))
	return func(k string) (string, bool) { v, ok := env[k]; return v, ok }
}

func write(t *testing.T, name string, mode fs.FileMode, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

// golden compares got with the file, in which DIR stands for the working directory.
func golden(t *testing.T, file, got string) {
	t.Helper()
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	got = strings.ReplaceAll(got, wd, "DIR") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%swant, by %s,\n%s", got, filepath.Base(file), want)
	}
}

// rules is the set of places in the source that report something, "file:line".
type rules map[string]bool

// hit notes which places led to the finding that is being made.
func (r rules) hit() {
	pcs := make([]uintptr, 12)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		r[fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)] = true
		if !more {
			return
		}
	}
}

// each runs check for every file of a directory below testdata.
func each(t *testing.T, kind string, check func(t *testing.T, name, golden string, env node.Lookup)) {
	files, err := filepath.Glob("testdata/" + kind + "/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in testdata/%s: %v", kind, err)
	}
	for _, file := range files {
		abs, err := filepath.Abs(strings.TrimSuffix(file, ".yaml") + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		t.Run(kind+"/"+filepath.Base(file), func(t *testing.T) {
			check(t, filepath.Base(file), abs, stage(t, file))
		})
	}
}

// Every rule has a file that breaks it, whose message is fixed, and no message
// holds a secret (I9). The last part reads the source: a rule without a file fails.
func TestRules(t *testing.T) {
	seen := rules{}
	each(t, "bad", func(t *testing.T, name, file string, env node.Lookup) {
		c, err := build(name, env, Builtin(), &node.Findings{Found: seen.hit})
		var errs Errors
		if !errors.As(err, &errs) || c != nil {
			t.Fatalf("got %v, %v; want Errors and no configuration", c, err)
		}
		for _, e := range errs {
			if e.File == "" || e.Line < 1 || e.Problem == "" || e.Remedy == "" || strings.Contains(e.Error(), "\n") {
				t.Errorf("not complete: %+v", e)
			}
		}
		noSecret(t, err.Error())
		golden(t, file, err.Error())
	})
	each(t, "warn", func(t *testing.T, name, file string, env node.Lookup) {
		c, err := build(name, env, Builtin(), &node.Findings{Found: seen.hit})
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Warnings) == 0 {
			t.Fatal("no warning")
		}
		golden(t, file, Errors(c.Warnings).Error())
	})
	t.Run("unreadable", func(t *testing.T) { unreadable(t, seen) })
	for place, text := range reports(t) {
		if !seen[place] && !slices.Contains(notByFile, text) {
			t.Errorf("%s: no file in testdata breaks this rule: %s", place, text)
		}
	}
}

// notByFile are reports that no file of testdata can bring about.
var notByFile = []string{
	// the working directory is gone
	`doc.Fail(1, "", safefile.Cause(err).Error(), "give the file's whole path")`,
	// of an agent's configuration, which is another file; TestAgentRules breaks them
	`s.Doc.Fail(max(line, at), path, "an agent reads wishes and keys in Vault",`,
	`v.Fail("is not used with via: ssh", "leave it out: keys come with the coordinator's request")`,
	`at[i].Fail(err.Error(), "write a domain such as example.com")`,
	`at[i].Fail(fmt.Sprintf("%s is listed already", domain), "keep one of the two")`,
	`v.Fail("is an empty list", "list the domains that this host signs for, or leave domains out")`,
	// the YAML library has no words for it
	`d.Fail(1, "", "the file is not YAML", "begin with examples/quickstart/dkimbot.yaml")`,
}

// unreadable tries what no file in testdata can be.
func unreadable(t *testing.T, seen rules) {
	dir := t.TempDir()
	t.Chdir(dir)
	write(t, "mine.yaml", 0o600, "{}")
	for path, want := range map[string]string{
		"none.yaml":       "none.yaml:1: there is no such file",
		".":               ".:1: is a directory",
		"mine.yaml/below": "mine.yaml/below:1: not a directory",
		"/proc/self/mem":  "/proc/self/mem:1: /proc/",
		"/proc/kmsg":      "/proc/kmsg:1: is made up by the kernel",
		"/dev/zero":       "/dev/zero:1: is a device, not a regular file",
	} {
		_, err := build(path, os.LookupEnv, Builtin(), &node.Findings{Found: seen.hit})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
	if os.Geteuid() != 0 {
		write(t, "mine.yaml", 0, "{}")
	}
	asNobody(t, func() {
		_, err := build("mine.yaml", os.LookupEnv, Builtin(), &node.Findings{Found: seen.hit})
		if err == nil || !strings.Contains(err.Error(), "permission denied: ") {
			t.Errorf("got %v, want permission denied", err)
		}
		if _, err := settings.FromFile("mine.yaml").Read(); err == nil || fault.HintOf(err) == "" ||
			!strings.Contains(err.Error(), "permission denied") {
			t.Errorf("got %v, want permission denied and a hint", err)
		}
	})
}

// asNobody runs f on a thread that has no rights to root's files, where root runs the tests.
func asNobody(t *testing.T, f func()) {
	t.Helper()
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		err := syscall.Setfsuid(65534)
		f()
		done <- err
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// reports returns the calls of fail and warn in this package, with their text.
func reports(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	below, err2 := filepath.Glob("node/*.go")
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	fset := token.NewFileSet()
	for _, file := range append(files, below...) {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tree, err := parser.ParseFile(fset, file, src, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(tree, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && (sel.Sel.Name == "Fail" || sel.Sel.Name == "Warn") &&
				!strings.HasPrefix(string(src[fset.Position(call.Pos()).Offset:]), "v.Doc.") {
				at := fset.Position(sel.Sel.Pos())
				line, _, _ := bytes.Cut(src[fset.Position(call.Pos()).Offset:], []byte("\n"))
				out[fmt.Sprintf("%s:%d", filepath.Base(file), at.Line)] = string(line)
			}
			return true
		})
	}
	return out
}

// noSecret fails if text holds one of the secrets that testdata uses.
func noSecret(t *testing.T, text string) {
	t.Helper()
	for _, s := range []string{"hunter2", "aHVudGVyMg", "20262026"} {
		if strings.Contains(text, s) {
			t.Errorf("a secret leaks (I9): %s", text)
		}
	}
}
