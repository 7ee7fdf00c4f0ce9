package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// bench is where mutants are tried: test binaries with all of them built in.
type bench struct {
	root, dir string // of the module; for what is made
	rotate    string // the test binary of package rotate
	simulate  string // that of the simulator

	tests  []test // the fast ones first
	asides int    // how many runs at once
	plays  bool   // the simulation, too
}

// test is one test of package rotate, and which mutants it reaches.
type test struct {
	name    string
	took    time.Duration
	reaches map[int]bool
}

// mostTime is how long tests may take with a mutant: a change that makes one hang is noticed.
const mostTime = 2 * time.Minute

// build makes the test binaries with the given files in the place of the package's own.
func (b *bench) build(files map[string]string) error {
	replace := map[string]string{}
	for name, text := range files {
		made := filepath.Join(b.dir, name)
		if err := os.WriteFile(made, []byte(text), 0o600); err != nil {
			return err
		}
		replace[filepath.Join(b.root, "rotate", name)] = made
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return err
	}
	path := filepath.Join(b.dir, "overlay.json")
	if err := os.WriteFile(path, overlay, 0o600); err != nil {
		return err
	}
	b.rotate, b.simulate = filepath.Join(b.dir, "rotate.test"), filepath.Join(b.dir, "simulate.test")
	for out, pkg := range map[string]string{b.rotate: "./rotate", b.simulate: "./rotate/simulate"} {
		build := exec.Command("go", "test", "-c", "-vet=off", "-overlay", path, "-o", out, pkg)
		build.Dir = b.root
		if text, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", pkg, err, text)
		}
	}
	return nil
}

// run runs tests with a mutant, 0 for none, and reports whether they pass.
func (b *bench) run(binary string, mutant int, trace string, args ...string) (passes bool, output string) {
	ctx, cancel := context.WithTimeout(context.Background(), mostTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, append(args, "-test.failfast", "-test.short", "-rapid.nofailfile")...)
	cmd.Dir = filepath.Join(b.root, "rotate")
	if binary == b.simulate {
		cmd.Dir = filepath.Join(cmd.Dir, "simulate")
	}
	cmd.Env = append(os.Environ(), fmt.Sprint("DKIMBOT_MUTANT=", mutant), "DKIMBOT_MUTANT_TRACE="+trace)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return err == nil, out.String()
}

// learn runs each test alone, without a mutant, to see which mutants it reaches.
func (b *bench) learn() error {
	_, list := b.run(b.rotate, 0, "", "-test.list", "^Test")
	names := slices.DeleteFunc(strings.Fields(list), func(s string) bool { return !strings.HasPrefix(s, "Test") })
	b.tests = make([]test, len(names))
	err := sideBySide(b.asides, len(names), func(i int) error {
		t, trace := test{name: names[i], reaches: map[int]bool{}}, filepath.Join(b.dir, names[i]+".trace")
		began := time.Now()
		if passes, out := b.run(b.rotate, 0, trace, "-test.run", "^"+t.name+"$"); !passes {
			return fmt.Errorf("%s fails without any mutant:\n%s", t.name, out)
		}
		t.took = time.Since(began)
		text, _ := os.ReadFile(trace) // none when it reaches nothing
		for _, line := range strings.Fields(string(text)) {
			var id int
			fmt.Sscan(line, &id)
			t.reaches[id] = true
		}
		b.tests[i] = t
		return nil
	})
	slices.SortStableFunc(b.tests, func(x, y test) int { return int(x.took - y.took) })
	return err
}

// notices tells what notices a mutant, "" for nothing.
func (b *bench) notices(id int) string {
	var batch []string
	var long time.Duration
	try := func() bool {
		if len(batch) == 0 {
			return false
		}
		passes, _ := b.run(b.rotate, id, "", "-test.run", "^("+strings.Join(batch, "|")+")$")
		return !passes
	}
	for _, t := range b.tests {
		if !t.reaches[id] {
			continue
		}
		if long > 0 && long+t.took > 2*time.Second {
			if try() {
				return "tests"
			}
			batch, long = nil, 0
		}
		batch, long = append(batch, t.name), long+t.took
	}
	if try() {
		return "tests"
	}
	if !b.plays {
		return ""
	}
	if passes, _ := b.run(b.simulate, id, "", "-test.run", "^(TestNoFaults|TestTenThousandDomainYears)$"); !passes {
		return "the simulation"
	}
	return ""
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
