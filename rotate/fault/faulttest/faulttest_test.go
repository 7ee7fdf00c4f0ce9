package faulttest

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dkimbot/dkimbot/rotate/fault"
)

// What differs from run to run does not make a text another one.
func TestSteady(t *testing.T) {
	for text, want := range map[string]string{
		"open /tmp/TestX_a_b123/001/keys: no":          "open DIR/keys: no",
		"dial 127.0.0.1:40123 and localhost:53":        "dial 127.0.0.1:PORT and localhost:PORT",
		"until 2031-02-03T04:05:06Z, key 0123456789ab": "until TIME, key ID",
		"until Mon 2031-02-03 04:05 UTC":               "until TIME",
		"version 7 of key 3":                           "version 7 of key 3",
	} {
		if got := steady(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// What is added is found again under its test, once, beside what was there.
func TestAdd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "testdata", "faults.txt")
	one := render(fault.Refuse("late", "begin it", "wait"))
	two := render(fault.Lasting("read it", errors.New("it is gone"), "look elsewhere"))
	for _, e := range [][2]string{{"TestB", two}, {"TestA", one}, {"TestB", one}, {"TestB", two}} {
		if err := add(path, e[0], e[1], func(string) bool { return false }); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	known := sections(string(text))
	if len(known) != 2 || !slices.Equal(known["TestA"], []string{one}) ||
		!slices.Equal(known["TestB"], []string{two, one}) {
		t.Errorf("got %q", known)
	}
	if want := "refused late: begin it\nhint: wait"; one != want {
		t.Errorf("got %q, want %q", one, want)
	}
}

// A run of all tests writes the whole file again, and one of some tests their sections: a text
// that nobody shows any more does not stay.
func TestRewriting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "faults.txt")
	write := func(r *rewriting, name, text string, some bool) {
		t.Helper()
		if err := add(path, name, text, r.outdated(path, name, some)); err != nil {
			t.Fatal(err)
		}
	}
	begin := func() *rewriting { return &rewriting{begun: map[string]bool{}} }
	first, some, all := begin(), begin(), begin()
	write(first, "TestOld", "old", false)
	write(first, "TestKept", "old", false)
	write(first, "TestKept", "kept", false)
	write(some, "TestKept", "kept", true)
	write(some, "TestNew", "new", true)
	check := func(want ...string) {
		t.Helper()
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		known := sections(string(text))
		if got := slices.Sorted(maps.Keys(known)); !slices.Equal(got, want) ||
			!slices.Equal(known["TestKept"], []string{"kept"}) {
			t.Errorf("got %q, want the sections %q", known, want)
		}
	}
	check("TestKept", "TestNew", "TestOld")
	write(all, "TestKept", "kept", false)
	write(all, "TestNew", "new", false)
	check("TestKept", "TestNew")
}
