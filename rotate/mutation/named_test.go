package main

import (
	_ "embed"
	"slices"
	"strings"
	"testing"
	"time"
)

// named are mutants that once survived everything, each with the test that notices it.
//
//go:embed named.txt
var named string

// TestNamed: what once survived every test and the simulation is noticed, by the test that
// was written for it.
func TestNamed(t *testing.T) {
	b, err := newBench(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	mutants, err := b.prepare(nil)
	if err != nil {
		t.Fatal(err)
	}
	for key, by := range reasonsOf(named) {
		i := slices.IndexFunc(mutants, func(m mutant) bool { return m.key == key })
		if i < 0 {
			t.Errorf("there is no mutant %s any more: name the one that stands for it in named.txt", key)
			continue
		}
		if !b.noticedBy(mutants[i].id, by) {
			t.Errorf("%s:%d: %s does not notice %s", mutants[i].file, mutants[i].line, by, key)
		}
		if b.noticedBy(0, by) {
			t.Errorf("%s fails without any mutant, or is no test", by)
		}
	}
	if n := strings.Count(named, "\n"); n < 6 {
		t.Errorf("only %d are named", n)
	}
}

// noticedBy reports whether a test, in whichever package it is, fails with a mutant.
func (b *bench) noticedBy(id int, test string) bool {
	ran, usual := false, time.Duration(0)
	if id == 0 {
		usual = time.Minute // that it takes long on a busy machine is no failure
	}
	for _, bin := range b.binaries {
		failed, out := b.run(bin, job{mutant: id, tests: []string{test}, usual: usual})
		if failed != "" {
			return true
		}
		ran = ran || !strings.Contains(out, "no tests to run")
	}
	return !ran && id == 0
}
