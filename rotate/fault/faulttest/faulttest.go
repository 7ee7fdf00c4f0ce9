// Package faulttest keeps the texts of faults where a person can read them: each
// package that makes faults has a file testdata/faults.txt with what its tests saw,
// as an operator would see it.
//
// A text that changes fails its test until the file is written again: run the package's
// tests with UPDATE_FAULTS=1 in the environment, and read what has changed. That rewrites the
// whole file; with -run, the sections of the tests that run. A section of a test that there is
// no more fails a test in cmd/internal/house. The package is for tests; it imports rotate/fault
// and the standard library.
package faulttest

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// Shown wants the text of err, its code and its hint in testdata/faults.txt beside
// the calling file, among those of the test. It also fails for an error without a hint.
func Shown(t testing.TB, err error) {
	t.Helper()
	ShownFor(t, err, 1)
}

// ShownFor is Shown for a helper of tests: the file is that of its caller, or so many callers further up.
func ShownFor(t testing.TB, err error, callers int) {
	t.Helper()
	if err == nil {
		t.Error("there is no error to be shown")
		return
	}
	if fault.HintOf(err) == "" {
		t.Errorf("%v has no hint", err)
	}
	_, caller, _, _ := runtime.Caller(1 + callers)
	path, got := filepath.Join(filepath.Dir(placed(t, caller)), "testdata", "faults.txt"), render(err)
	if os.Getenv("UPDATE_FAULTS") != "" {
		if err := add(path, t.Name(), got,
			begun.outdated(path, t.Name(), some() || !strings.HasSuffix(caller, "_test.go"))); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, rerr := os.ReadFile(path)
	if rerr != nil {
		t.Fatalf("%v (UPDATE_FAULTS=1 writes it)", rerr)
	}
	if known := sections(string(text))[t.Name()]; !slices.Contains(known, got) {
		t.Errorf("a text is not in %s (UPDATE_FAULTS=1 adds it)\ngot:\n%s\nknown are:\n%s", path, got,
			strings.Join(known, "\n"))
	}
}

// started is the directory in which the tests began; one of them may have left it.
var started, _ = os.Getwd()

// placed returns where a source file stands: one that was built with -trimpath is named by the module's path.
func placed(t testing.TB, file string) string {
	t.Helper()
	if filepath.IsAbs(file) {
		return file
	}
	root, err := started, error(nil)
	for err == nil {
		var text []byte
		if text, err = os.ReadFile(filepath.Join(root, "go.mod")); err == nil {
			module, _, _ := strings.Cut(strings.TrimPrefix(string(text), "module "), "\n")
			return filepath.Join(root, strings.TrimPrefix(file, module))
		}
		if parent := filepath.Dir(root); parent != root && os.IsNotExist(err) {
			root, err = parent, nil
		}
	}
	t.Fatalf("find the module of %s: %v", file, err)
	return ""
}

// render says what an operator sees, and the kind, which decides what is done about it.
func render(err error) string {
	kind := fault.KindOf(err).String()
	if code := fault.CodeOf(err); code != "" {
		kind += " " + string(code)
	}
	return steady(fmt.Sprintf("%s: %v\nhint: %s", kind, err, fault.HintOf(err)))
}

// steady replaces what differs from run to run.
func steady(text string) string {
	for _, r := range []struct{ pattern, by string }{
		{`(/[\w.-]+)*/Test[^/ ]*/\d{3}`, "DIR"},
		{`/run/dkimbot-test-\d+`, "DIR"},
		{`(127\.0\.0\.\d+|\[::1\]|localhost):\d+`, "$1:PORT"},
		{`\b20[2-9]\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`, "TIME"},
		{`\b[A-Z][a-z]{2} 20[2-9]\d-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC`, "TIME"},
		{`p=[A-Za-z0-9+/]{20,}=*`, "p=KEY"},
		{`\b([0-9a-f]{8,}|[a-z2-7]{26}|[A-Z2-7]{26})\b`, "ID"},
		{`\b(pid|process) \d+`, "$1 N"},
		{`\.new-\d+`, ".new-N"},
		{`x{50,}`, "xxx"},                                // cut where the text is long enough, so that the length of a path counts
		{`Content-Length:\[\d+\]`, "Content-Length:[N]"}, // keys of one kind are not all as long
		{`\bchown \d+:\d+`, "chown USER:GROUP"},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.by)
	}
	return text
}

const begin = "== "

// sections returns the texts under the name of each test.
func sections(text string) map[string][]string {
	out := map[string][]string{}
	for part := range strings.SplitSeq("\n"+text, "\n"+begin) {
		name, body, _ := strings.Cut(part, "\n")
		for one := range strings.SplitSeq(strings.TrimSpace(body), "\n\n") {
			if one != "" {
				out[name] = append(out[name], one)
			}
		}
	}
	return out
}

// rewriting is what this run of the tests has begun to write again.
type rewriting struct {
	mu    sync.Mutex
	begun map[string]bool // files, and sections of files
}

var begun = &rewriting{begun: map[string]bool{}}

// outdated says which sections of the file are of an earlier run: all at first, where all its tests
// run, else, for some of them or a suite's file that several packages share, the one of the
// test at its first text.
func (r *rewriting) outdated(path, name string, some bool) func(section string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	section := path + " " + name
	wholeFile, thisSection := !some && !r.begun[path], some && !r.begun[section]
	r.begun[path], r.begun[section] = true, true
	return func(s string) bool { return wholeFile || thisSection && s == name }
}

// some reports whether only some tests of the package run.
func some() bool {
	run := flag.Lookup("test.run")
	return run != nil && run.Value.String() != ""
}

// add puts a text under the name of a test, alone among the tests that do so, after the
// sections that are outdated are gone.
func add(path, name, text string, outdated func(section string) bool) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	all := sections(string(old))
	maps.DeleteFunc(all, func(section string, _ []string) bool { return outdated(section) })
	if !slices.Contains(all[name], text) {
		all[name] = append(all[name], text)
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		slices.Sort(all[name])
		fmt.Fprintf(&out, "%s%s\n%s\n\n", begin, name, strings.Join(all[name], "\n\n"))
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(out.String()), 0)
	return err
}
