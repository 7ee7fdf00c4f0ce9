package main

import (
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// accepted are the mutants that may survive: a key, a tab, the reason.
//
//go:embed accepted.txt
var accepted string

// packages may hold functions of the planner, the transitions and the steps.
var packages = []string{"rotate", "rotate/approval", "rotate/health", "rotate/order", "rotate/plan", "rotate/adoption",
	"rotate/forecast", "rotate/foresight", "rotate/handover", "rotate/observe", "rotate/engine",
	"rotate/lease", "rotate/batch", "rotate/quota", "rotate/follow", "rotate/wayout", "rotate/shown", "rotate/algorithm",
	"rotate/keyring", "rotate/finding"}

// options are the flags.
type options struct {
	files    []string
	only     string
	every    int
	workers  int
	log      string
	simulate bool
	accepted bool
	longest  time.Duration
	tests    string
}

func main() {
	var o options
	files := flag.String("files", "", "names of files, with spaces between them; all when empty")
	flag.StringVar(&o.only, "only", "", "try mutants only whose key matches this expression")
	flag.IntVar(&o.every, "every", 1, "try each so manieth mutant only")
	flag.IntVar(&o.workers, "j", 2, "runs at once")
	flag.StringVar(&o.log, "log", "",
		"a file that notes what was noticed, and is believed when it is there: so a run that was ended can continue")
	flag.BoolVar(&o.simulate, "simulate", true, "also run the simulation with what no test notices")
	flag.BoolVar(&o.accepted, "accepted", false, "try accepted mutants too")
	flag.DurationVar(&o.longest, "longest", time.Hour, "leave out tests that take longer than this")
	flag.StringVar(&o.tests, "tests", "", "run tests only whose name matches this expression")
	flag.Parse()
	o.files = strings.Fields(*files)
	if err := try(o); err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		os.Exit(1)
	}
}

func try(o options) error {
	dir, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b, err := newBench(dir)
	if err != nil {
		return err
	}
	b.workers = o.workers
	if b.named, err = regexp.Compile(o.tests); err != nil {
		return err
	}
	mutants, err := b.prepare(o.files)
	if err != nil {
		return err
	}
	if err := b.learn(o.simulate); err != nil {
		return err
	}
	t := newTally(mutants, reasonsOf(accepted), noted(o.log))
	tried, err := t.choose(o)
	if err != nil {
		return err
	}
	b.tests = slices.DeleteFunc(b.tests, func(t *test) bool { return t.took > o.longest })
	fmt.Printf("%d mutants, %d tests, %d noticed before, %d to try\n", len(mutants), len(b.tests), len(t.by), len(tried))
	b.tryAll(tried, t, o.log)
	return t.report(o.whole())
}

// newBench returns a bench for the module of the working directory.
func newBench(dir string) (*bench, error) {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return nil, fmt.Errorf("find the module: %w", err)
	}
	return &bench{root: strings.TrimSpace(string(root)), dir: dir, workers: 1, named: regexp.MustCompile(""),
		killers: map[string][]string{}}, nil
}

// whole reports whether every mutant is looked at, so that what is missing is known.
func (o options) whole() bool { return len(o.files) == 0 && o.only == "" && o.every == 1 }

// prepare builds the mutants in: those of the files that are named, or of all.
func (b *bench) prepare(files []string) (mutants []mutant, err error) {
	made, next := map[string]string{}, 0
	for _, pkg := range packages {
		names, err := filepath.Glob(filepath.Join(b.root, pkg, "*.go"))
		if err != nil {
			return nil, err
		}
		for _, path := range names {
			if strings.HasSuffix(path, "_test.go") || len(files) > 0 && !slices.Contains(files, filepath.Base(path)) {
				continue
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			changed, found, err := mutate(filepath.Join(pkg, filepath.Base(path)), text, &next)
			if err != nil {
				return nil, err
			}
			if len(found) > 0 {
				made[path], mutants = changed, append(mutants, found...)
				made[filepath.Join(b.root, pkg, "mutation_switchboard.go")] = fmt.Sprintf(switchboard, filepath.Base(pkg))
			}
		}
	}
	return mutants, b.build(made)
}

// tryAll tries mutants and notes what notices each.
func (b *bench) tryAll(mutants []mutant, t *tally, log string) {
	var mu sync.Mutex
	done := 0
	err := sideBySide(b.workers, len(mutants), func(i int) error {
		m := mutants[i]
		by := b.notices(m)
		mu.Lock()
		defer mu.Unlock()
		t.tried(m, by)
		if by == "" {
			fmt.Println(m)
		}
		if done++; done%50 == 0 {
			fmt.Printf("%d of %d tried, %d survive\n", done, len(mutants), len(t.survive))
		}
		return note(log, m.key, by)
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
	}
}
