package main

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// tally holds what became of the mutants.
type tally struct {
	mutants []mutant
	reasons map[string]string // of those that may survive, by key
	by      map[string]string // what noticed a mutant, by key
	survive []mutant
}

func newTally(mutants []mutant, reasons, noticed map[string]string) *tally {
	t := &tally{mutants: mutants, reasons: reasons, by: map[string]string{}}
	for _, m := range mutants {
		if by := noticed[m.key]; by != "" {
			t.by[m.key] = by
		}
	}
	return t
}

// choose returns the mutants that are to be tried.
func (t *tally) choose(o options) (out []mutant, err error) {
	only, err := regexp.Compile(o.only)
	if err != nil {
		return nil, err
	}
	for i, m := range t.mutants {
		wanted := i%o.every == 0 && only.MatchString(m.key)
		if wanted && t.by[m.key] == "" && (o.accepted || t.reasons[m.key] == "") {
			out = append(out, m)
		}
	}
	return out, nil
}

func (t *tally) tried(m mutant, by string) {
	if by == "" {
		t.survive = append(t.survive, m)
		return
	}
	t.by[m.key] = by
}

// report prints the figures, and returns an error when something is to be done. Only
// after a run over all mutants is it known which reasons name no mutant.
func (t *tally) report(whole bool) error {
	simulated := 0
	for _, by := range t.by {
		if by == simulation {
			simulated++
		}
	}
	slices.SortFunc(t.survive, func(x, y mutant) int { return x.id - y.id })
	unexplained, accepted := 0, 0
	for _, m := range t.mutants {
		if t.reasons[m.key] != "" {
			accepted++
		}
	}
	for _, m := range t.survive {
		if t.reasons[m.key] == "" {
			fmt.Println("SURVIVES ", m)
			unexplained++
		}
	}
	wrong := t.wrongReasons(whole)
	for _, line := range wrong {
		fmt.Println(line)
	}
	fmt.Printf("%d mutants: %d noticed by tests, %d by the simulation alone, %d accepted, %d survive\n",
		len(t.mutants), len(t.by)-simulated, simulated, accepted, unexplained)
	switch {
	case unexplained > 0:
		return fmt.Errorf("%d mutants survive: add a test that notices each, "+
			"or a line with the reason to accepted.txt", unexplained)
	case len(wrong) > 0:
		return fmt.Errorf("%d lines of accepted.txt are not so: remove them", len(wrong))
	}
	return nil
}

// wrongReasons returns what is said of mutants that do not survive, or do not exist.
func (t *tally) wrongReasons(whole bool) (out []string) {
	known := map[string]bool{}
	for _, m := range t.mutants {
		known[m.key] = true
	}
	for _, key := range slices.Sorted(maps.Keys(t.reasons)) {
		switch by := t.by[key]; {
		case by != "":
			out = append(out, fmt.Sprintf("accepted, but noticed by %s: %s", by, key))
		case whole && !known[key]:
			out = append(out, "accepted, but there is no such mutant: "+key)
		}
	}
	return out
}

// reasonsOf reads lines of a key, a tab and a reason.
func reasonsOf(text string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(text) {
		if key, reason, ok := strings.Cut(strings.TrimRight(line, "\n"), "\t"); ok && reason != "" &&
			!strings.HasPrefix(key, "#") {
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
	if log == "" || by == "" {
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
