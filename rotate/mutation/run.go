package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// bench is where mutants are tried: test binaries with all of them built in.
type bench struct {
	root, dir string   // of the module; for what is made
	overlay   string   // the file that puts the mutants in the place of the packages' own files
	binaries  []binary // of the packages that have mutants
	simulator binary

	named   *regexp.Regexp // of the tests that are to be run
	tests   []*test        // the fast ones first
	workers int            // how many runs at once
	played  map[int]bool   // where the simulation sees a difference; nil when it is not to be played

	mu      sync.Mutex
	killers map[string][]string // by function: the tests that noticed mutants of it, the last one first
}

// plays are the tests of the simulator that are short and see most.
var plays = []string{"TestNoFaults", "TestTenThousandDomainYears", "TestStopped"}

// binary is the test binary of a package.
type binary struct {
	path, pkg string
	draws     bool // its tests draw at random, and are not to keep what they drew
}

// test is one test, and which mutants it reaches.
type test struct {
	binary  binary
	name    string
	took    time.Duration
	reaches map[int]bool // where it sees a difference
}

const (
	simulation = "the simulation"
	batchTime  = 2 * time.Second // how long tests that are run together may take
	// what tests may take beside ten times as long as without a mutant; one that hangs is noticed
	spareTime = 30 * time.Second
)

// build writes an overlay and makes the test binaries with the given files, by path, in the place of the packages' own.
func (b *bench) build(files map[string]string) error {
	replace := map[string]string{}
	for path, text := range files {
		made := filepath.Join(b.dir, fmt.Sprintf("%d_%s", len(replace), filepath.Base(path)))
		if err := os.WriteFile(made, []byte(text), 0o600); err != nil {
			return err
		}
		replace[path] = made
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	b.overlay = filepath.Join(b.dir, "overlay.json")
	if err := os.WriteFile(b.overlay, overlay, 0o600); err != nil {
		return err
	}
	for _, pkg := range packages {
		wanted, err := b.wanted(pkg)
		if err != nil {
			return err
		}
		if wanted {
			made, err := b.compile(pkg)
			if err != nil {
				return err
			}
			b.binaries = append(b.binaries, made)
		}
	}
	return nil
}

// wanted reports whether a package has a test that is to be run.
func (b *bench) wanted(pkg string) (bool, error) {
	paths, err := filepath.Glob(filepath.Join(b.root, pkg, "*_test.go"))
	if err != nil {
		return false, err
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			return false, err
		}
		for _, declared := range declaredTest.FindAllSubmatch(text, -1) {
			if b.named.Match(declared[1]) {
				return true, nil
			}
		}
	}
	return false, nil
}

// compile makes the test binary of a package.
func (b *bench) compile(pkg string) (binary, error) {
	made := binary{path: filepath.Join(b.dir, strings.ReplaceAll(pkg, "/", "_")+".test"), pkg: pkg}
	tests, err := filepath.Glob(filepath.Join(b.root, pkg, "*_test.go"))
	if err != nil {
		return made, err
	}
	for _, path := range tests {
		text, err := os.ReadFile(path)
		if err != nil {
			return made, err
		}
		made.draws = made.draws || bytes.Contains(text, []byte("pgregory.net/rapid"))
	}
	build := exec.Command("go", "test", "-c", "-vet=off", "-overlay", b.overlay, "-o", made.path, "./"+pkg)
	build.Dir = b.root
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make lint compiles what is not changed
	if text, err := build.CombinedOutput(); err != nil {
		return made, fmt.Errorf("build %s: %w\n%s", pkg, err, text)
	}
	return made, nil
}

// job is one run of tests with a mutant, 0 for none.
type job struct {
	mutant int
	tests  []string
	usual  time.Duration // how long they take without a mutant; 0 when it is not known
	trace  string        // a file for the mutants that are reached
}

var (
	declaredTest = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	failedTest   = regexp.MustCompile(`(?m)^--- FAIL: (\w+)`)
)

// run runs tests, and returns what failed, "" for nothing, and the output.
func (b *bench) run(bin binary, j job) (failed, output string) {
	ctx, cancel := context.WithTimeout(context.Background(), spareTime+10*j.usual)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin.path, "-test.run", "^("+strings.Join(j.tests, "|")+")$",
		"-test.failfast", "-test.short")
	if bin.draws {
		cmd.Args = append(cmd.Args, "-rapid.nofailfile")
	}
	cmd.Dir = filepath.Join(b.root, bin.pkg)
	cmd.Env = append(os.Environ(), fmt.Sprint("DKIMBOT_MUTANT=", j.mutant), "DKIMBOT_MUTANT_TRACE="+j.trace)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	named := failedTest.FindStringSubmatch(out.String())
	switch {
	case err == nil:
		return "", out.String()
	case ctx.Err() != nil:
		return "the time that it takes", out.String()
	case named != nil:
		return named[1], out.String()
	}
	return "a crash", out.String()
}

// learn runs each test alone, without a mutant, to see which mutants it could notice.
func (b *bench) learn(simulate bool) error {
	for _, bin := range b.binaries {
		list, err := exec.Command(bin.path, "-test.list", "^Test").Output()
		if err != nil {
			return fmt.Errorf("list the tests of %s: %w", bin.pkg, err)
		}
		for name := range strings.FieldsSeq(string(list)) {
			if b.named.MatchString(name) {
				b.tests = append(b.tests, &test{binary: bin, name: name, reaches: map[int]bool{}})
			}
		}
	}
	err := sideBySide(b.workers, len(b.tests), func(i int) error {
		t, trace := b.tests[i], filepath.Join(b.dir, fmt.Sprint(i, ".trace"))
		began := time.Now()
		failed, out := b.run(t.binary, job{tests: []string{t.name}, usual: time.Minute, trace: trace})
		if failed != "" {
			return fmt.Errorf("%s fails without any mutant:\n%s", t.name, out)
		}
		t.took = time.Since(began)
		var err error
		t.reaches, err = traced(trace)
		return err
	})
	slices.SortStableFunc(b.tests, func(x, y *test) int { return int(x.took - y.took) })
	if err != nil || !simulate {
		return err
	}
	if b.simulator, err = b.compile("rotate/simulate"); err != nil {
		return err
	}
	trace := filepath.Join(b.dir, "simulation.trace")
	if failed, out := b.run(b.simulator, job{tests: plays, usual: time.Minute, trace: trace}); failed != "" {
		return fmt.Errorf("%s fails without any mutant:\n%s", failed, out)
	}
	b.played, err = traced(trace)
	return err
}

// traced reads the mutants of a trace; there is none when nothing was reached.
func traced(path string) (map[int]bool, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	out := map[int]bool{}
	for word := range strings.FieldsSeq(string(text)) {
		id, err := strconv.Atoi(word)
		if err != nil {
			return nil, err
		}
		out[id] = true
	}
	return out, nil
}

// notices says what notices a mutant, "" for nothing. First come the tests that noticed
// another one of the same function, then the fast ones.
func (b *bench) notices(m mutant) string {
	function, _, _ := strings.Cut(m.key, ":")
	for _, j := range b.batches(m.id, b.known(function)) {
		if failed, _ := b.run(j.binary, j.job); failed != "" {
			b.learnt(function, failed)
			return failed
		}
	}
	if b.played[m.id] {
		if failed, _ := b.run(b.simulator, job{mutant: m.id, tests: plays, usual: time.Minute}); failed != "" {
			return simulation
		}
	}
	return ""
}

type batch struct {
	binary binary
	job
}

// batches returns the tests that reach a mutant, some together in one run.
func (b *bench) batches(id int, first []string) (out []batch) {
	rank := func(t *test) int {
		if i := slices.Index(first, t.name); i >= 0 {
			return i
		}
		return len(first)
	}
	tests := slices.DeleteFunc(slices.Clone(b.tests), func(t *test) bool { return !t.reaches[id] })
	slices.SortStableFunc(tests, func(x, y *test) int { return rank(x) - rank(y) })
	for _, t := range tests {
		last := len(out) - 1
		if last < 0 || out[last].binary != t.binary || out[last].usual+t.took > batchTime {
			out = append(out, batch{binary: t.binary, job: job{mutant: id}})
			last++
		}
		out[last].tests, out[last].usual = append(out[last].tests, t.name), out[last].usual+t.took
	}
	return out
}

// known returns the tests that noticed mutants of a function.
func (b *bench) known(function string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.killers[function])
}

func (b *bench) learnt(function, test string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	others := slices.DeleteFunc(b.killers[function], func(s string) bool { return s == test })
	b.killers[function] = append([]string{test}, others...)
}

// sideBySide does n things, so many at once, and returns the first error.
func sideBySide(most, n int, do func(i int) error) error {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		first error
		next  int
	)
	for range most {
		wg.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= n {
					return
				}
				if err := do(i); err != nil {
					mu.Lock()
					if first == nil {
						first = err
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return first
}
