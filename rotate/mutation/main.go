package main

import (
	"bufio"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// accepted are the mutants that may survive: a key, a tab, the reason.
//
//go:embed accepted.txt
var accepted string

// planned are the files that are tried unless others are named: the planner, what it
// decides by, the transitions, and the steps that can't be taken back.
const planned = "planner.go sound.go checks.go standing.go distrust.go compromised.go duty.go mend.go repair.go provide.go waits.go settle.go confirm.go revoke.go rollback.go release.go former.go order.go reckon.go drift.go drift_keys.go drift_state.go await.go steps.go"

func main() {
	files := flag.String("files", "", "files of package rotate, with spaces between them; the planner's and the transitions' when empty")
	every := flag.Int("every", 1, "try each so manieth mutant only")
	asides := flag.Int("j", 2, "runs at once")
	log := flag.String("log", "", "a file that notes what was noticed, and is believed when it is there: so a run that was ended can go on")
	only := flag.String("only", "", "try mutants only whose key contains this")
	simulate := flag.Bool("simulate", true, "also run the simulation with what no test notices")
	flag.Parse()
	if err := try(strings.Fields(*files), *every, *asides, *log, *only, *simulate); err != nil {
		fmt.Fprintln(os.Stderr, "mutation:", err)
		os.Exit(1)
	}
}

func try(files []string, every, asides int, log, only string, simulate bool) error {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	dir, err := os.MkdirTemp("", "mutation")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &bench{root: strings.TrimSpace(string(root)), dir: dir, asides: asides, plays: simulate}
	mutants, err := b.prepare(files)
	if err != nil {
		return err
	}
	reasons := reasonsOf(accepted)
	known := noted(log)
	var tried []mutant
	for i, m := range mutants {
		if i%every == 0 && strings.Contains(m.key, only) && known[m.key] == "" {
			tried = append(tried, m)
		}
	}
	fmt.Printf("%d mutants, %d tests, %d to try\n", len(mutants), len(b.tests), len(tried))
	survivors := b.tryAll(tried, log)
	unexplained := 0
	for _, m := range survivors {
		if reason := reasons[m.key]; reason != "" {
			fmt.Printf("accepted  %s:%d  %s  (%s)\n", m.file, m.line, m.key, reason)
			continue
		}
		unexplained++
		fmt.Printf("SURVIVES  %s:%d  %s\n", m.file, m.line, m.key)
	}
	fmt.Printf("%d tried, %d survive, %d of them without a reason\n", len(tried), len(survivors), unexplained)
	if unexplained > 0 {
		return fmt.Errorf("%d mutants survive: add a test that notices each, or a line with the reason to accepted.txt", unexplained)
	}
	return nil
}

// prepare builds the mutants of the files in, and learns which test reaches which.
func (b *bench) prepare(files []string) (mutants []mutant, err error) {
	if len(files) == 0 {
		files = strings.Fields(planned)
	}
	made, next := map[string]string{"mutation_switchboard.go": switchboard}, 0
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(b.root, "rotate", name))
		if os.IsNotExist(err) {
			fmt.Printf("there is no %s any more\n", name)
			continue
		}
		if err != nil {
			return nil, err
		}
		changed, found, err := mutate(name, text, &next)
		if err != nil {
			return nil, err
		}
		made[name], mutants = changed, append(mutants, found...)
	}
	if err := b.build(made); err != nil {
		return nil, err
	}
	return mutants, b.learn()
}

// tryAll tries the mutants and returns those that nothing notices.
func (b *bench) tryAll(mutants []mutant, log string) (survivors []mutant) {
	var mu sync.Mutex
	done := 0
	sideBySide(b.asides, len(mutants), func(i int) error {
		by := b.notices(mutants[i].id)
		mu.Lock()
		defer mu.Unlock()
		if done++; done%50 == 0 {
			fmt.Printf("%d tried, %d survive\n", done, len(survivors))
		}
		if by == "" {
			survivors = append(survivors, mutants[i])
			return nil
		}
		return note(log, mutants[i].key, by)
	})
	slices.SortFunc(survivors, func(x, y mutant) int { return x.id - y.id })
	return survivors
}

// reasonsOf reads lines of a key, a tab and a reason.
func reasonsOf(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if key, reason, ok := strings.Cut(strings.TrimRight(line, "\n"), "\t"); ok && !strings.HasPrefix(key, "#") {
			out[key] = reason
		}
	}
	return out
}

// noted reads what an earlier run has noted.
func noted(log string) map[string]string {
	f, err := os.Open(log)
	if err != nil {
		return nil
	}
	defer f.Close()
	out := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if key, by, ok := strings.Cut(lines.Text(), "\t"); ok {
			out[key] = by
		}
	}
	return out
}

func note(log, key, by string) error {
	if log == "" {
		return nil
	}
	f, err := os.OpenFile(log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintf(f, "%s\t%s\n", key, by)
	return err
}
