package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs every command with every flag. Beside testscript's own, the
// scripts have these commands:
//
//	lab [policy-key=value]... domain...   writes a laboratory with its configuration
//	exits code program argument...        runs a program that must end with this code
//	fields                                prints the fields of the JSON document on standard output
//	plain                                 prints standard output with what differs each time replaced
//	await program argument...             runs a program until it succeeds
//	tree name, sametree name              remembers all files; wants them as they were
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/scripts",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"lab": scriptLab, "exits": scriptExits, "await": scriptAwait, "fields": scriptFields, "plain": scriptPlain,
			"tree": scriptTree, "sametree": scriptSameTree,
		},
		Setup: func(env *testscript.Env) error {
			env.Values["t"] = env.T().(testing.TB)
			env.Values["trees"] = map[string]string{}
			env.Setenv("GORACE", os.Getenv("GORACE"))
			env.Setenv("DKIMBOT_CONFIG", filepath.Join(env.WorkDir, "lab", "dkimbot.yaml"))
			return nil
		},
		RequireExplicitExec: true, RequireUniqueNames: true,
		UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "", // then read what has changed
	})
}

func scriptT(ts *testscript.TestScript) testing.TB { return ts.Value("t").(testing.TB) }

func scriptLab(ts *testscript.TestScript, _ bool, args []string) {
	var policy, domains []string
	for _, a := range args {
		if key, value, ok := strings.Cut(a, "="); ok {
			policy = append(policy, key+": "+value)
			continue
		}
		domains = append(domains, a)
	}
	l := labIn(scriptT(ts), ts.MkAbs("lab"), domains...)
	lines := strings.Split(l.Policy, "\n")
	for _, p := range policy {
		key, _, _ := strings.Cut(p, ":")
		lines = append(slices.DeleteFunc(lines, func(l string) bool { return strings.HasPrefix(l, key+":") }), p)
	}
	l.Policy = strings.Join(lines, "\n")
	l.write(scriptT(ts))
}

func scriptExits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("%s ended with %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

func scriptAwait(ts *testscript.TestScript, _ bool, args []string) {
	eventually(scriptT(ts), strings.Join(args, " "), func() bool { return ts.Exec(args[0], args[1:]...) == nil })
}

// scriptFields prints each field once, as a path: "domains[].steps[].kind".
func scriptFields(ts *testscript.TestScript, _ bool, _ []string) {
	d := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	var doc any
	ts.Check(d.Decode(&doc))
	if d.More() {
		ts.Fatalf("there is more than one document")
	}
	found := map[string]bool{}
	fields("", doc, found)
	for _, f := range slices.Sorted(maps.Keys(found)) {
		fmt.Fprintln(ts.Stdout(), f)
	}
}

func fields(path string, v any, found map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for name, below := range v {
			fields(strings.TrimPrefix(path+"."+name, "."), below, found)
		}
	case []any:
		for _, below := range v {
			fields(path+"[]", below, found)
		}
		if len(v) > 0 {
			return
		}
	}
	if path != "" {
		found[path] = true
	}
}

var varying = []struct {
	what *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`\bkey [0-9a-f]{12}\b`), "key ID"},
	{regexp.MustCompile(`p=[A-Za-z0-9+/.=]{20,}`), "p=..."},
	{regexp.MustCompile(`[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`), "TIME"},
	{regexp.MustCompile(`[A-Z][a-z]{2} \d{4}-\d\d-\d\d \d\d:\d\d UTC`), "DAY"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "TIME"},
	{regexp.MustCompile(`\((in )?\d+ ?(s|minutes|hours|days)( ago)?\)`), "(FAR)"},
	{regexp.MustCompile(`by \S+@\S+`), "by PERSON"},
	{regexp.MustCompile(`(?m)^  due in 24 hours +\d+\n`), ""}, // on the day before the first of a month
}

func scriptPlain(ts *testscript.TestScript, _ bool, _ []string) {
	text := ts.ReadFile("stdout")
	for _, v := range varying {
		text = v.what.ReplaceAllString(text, v.with)
	}
	fmt.Fprint(ts.Stdout(), strings.ReplaceAll(text, ts.MkAbs("."), "WORK"))
}

func scriptTree(ts *testscript.TestScript, _ bool, args []string) {
	ts.Value("trees").(map[string]string)[args[0]] = tree(scriptT(ts), ts.MkAbs("lab"))
}

func scriptSameTree(ts *testscript.TestScript, _ bool, args []string) {
	before, after := ts.Value("trees").(map[string]string)[args[0]], tree(scriptT(ts), ts.MkAbs("lab"))
	if before != after {
		ts.Fatalf("files were changed; before:\n%s\nafter:\n%s", before, after)
	}
}
