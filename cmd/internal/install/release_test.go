package install

import (
	"bytes"
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// run runs a command in a directory and returns what it printed.
func run(t *testing.T, dir string, env []string, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(argv, " "), err, out, said.String())
	}
	return string(out)
}

// builtIn builds the program as it is released, in a clone of its own.
func builtIn(t *testing.T, dir string) (program string) {
	t.Helper()
	run(t, ".", nil, "git", "clone", "-q", root, filepath.Join(dir, "clone"))
	program = filepath.Join(dir, "dkimbot")
	run(t, filepath.Join(dir, "clone"), nil, "packaging/build", "amd64", program)
	return program
}

// place is where the program is built once for all tests of this package.
var place string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "install")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		place = dir
		return m.Run()
	}())
}

// built returns the program that is built in place. The tests that ask for it don't run in parallel.
func built(t *testing.T) string {
	t.Helper()
	program := filepath.Join(place, "dkimbot")
	if _, err := os.Stat(program); err == nil {
		return program
	}
	return builtIn(t, place)
}

// TestBuildsAreEqual: whoever builds a version again, elsewhere, gets the same bytes, and so can see that
// what is offered was built from what is published. The program is static and knows its version.
func TestBuildsAreEqual(t *testing.T) {
	first, second := built(t), builtIn(t, filepath.Join(t.TempDir(), "another place"))
	if a, b := read(t, first), read(t, second); a != b {
		t.Errorf("two builds of one commit differ: %d and %d bytes", len(a), len(b))
	}
	file, err := elf.Open(first)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("the program needs a C library")
		}
	}
	commit := strings.TrimSpace(run(t, root, nil, "git", "rev-parse", "--short=12", "HEAD"))
	tag := strings.TrimSpace(run(t, root, nil, "git", "tag", "--points-at", "HEAD"))
	said := run(t, ".", nil, first, "--version")
	if !strings.Contains(said, commit) && (tag == "" || !strings.Contains(said, strings.Fields(tag)[0])) {
		t.Errorf("version %q names neither commit %s nor tag %q", said, commit, tag)
	}
}

// TestInstall: "make install" brings all that belongs to the program, and leaves a configuration as it is.
func TestInstall(t *testing.T) {
	program, dest := built(t), t.TempDir()
	env := []string{"DESTDIR=" + dest, "PREFIX=/usr/local"}
	run(t, ".", env, root+"/packaging/install", program)
	for name, mode := range map[string]os.FileMode{
		"usr/local/bin/dkimbot": 0o755, "usr/local/sbin/dkimbot-admin": 0o755,
		"usr/local/lib/systemd/system/dkimbot.service": 0o644, "usr/local/lib/systemd/system/dkimbot-due.service": 0o644,
		"usr/local/lib/systemd/system/dkimbot-due.timer": 0o644, "usr/local/lib/sysusers.d/dkimbot.conf": 0o644,
		"usr/local/lib/systemd/system/dkimbot-agent.service":      0o644,
		"usr/local/lib/systemd/system/dkimbot-agent-once.service": 0o644,
		"usr/local/lib/systemd/system/dkimbot-agent-once.timer":   0o644,
		"usr/local/lib/tmpfiles.d/dkimbot.conf":                   0o644, "etc/polkit-1/rules.d/dkimbot.rules": 0o644,
		"etc/dkimbot/dkimbot.yaml": 0o644, "usr/local/share/man/man5/dkimbot.yaml.5": 0o644,
	} {
		if info, err := os.Stat(filepath.Join(dest, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	for _, name := range []string{
		"bash-completion/completions/dkimbot", "zsh/site-functions/_dkimbot", "fish/vendor_completions.d/dkimbot.fish",
	} {
		if text := read(t, filepath.Join(dest, "usr/local/share", name)); !strings.Contains(text, "__complete") {
			t.Errorf("%s does not ask dkimbot for completions", name)
		}
	}
	manual(t, filepath.Join(dest, "usr/local/share/man"))

	own := filepath.Join(dest, "etc/dkimbot/dkimbot.yaml")
	if err := os.WriteFile(own, []byte("# mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, ".", env, root+"/packaging/install", program)
	if text := read(t, own); text != "# mine\n" {
		t.Errorf("the configuration that stood there became:\n%s", text)
	}
}

// manual checks that each page has its own title, by which man(1) and apropos(1) name it.
func manual(t *testing.T, dir string) {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(dir, "man[157]", "*"))
	if err != nil || len(pages) < 30 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	about := map[string]string{}
	for _, page := range pages {
		name, section, _ := strings.Cut(filepath.Base(page), filepath.Ext(page))
		section = strings.TrimPrefix(filepath.Ext(page)+section, ".")
		head, text := strings.ToUpper(name), read(t, page)
		if !strings.HasPrefix(text, `.TH "`+head+`" "`+section+`"`) {
			t.Errorf("%s begins with another title than %s(%s)", page, head, section)
		}
		_, line, _ := strings.Cut(text, "\n.SH NAME\n")
		line, _, _ = strings.Cut(line, "\n")
		_, says, found := strings.Cut(line, ` \- `)
		if other := about[says]; !found || other != "" {
			t.Errorf("%s says %q of itself, as %q does", page, line, other)
		}
		about[says] = page
	}
}

var (
	commented = regexp.MustCompile(`(?m)^# ((?:  |[a-z]+:(?: \{.*\}| *$| +#)).*|[a-z]+:)$`)
	emptyList = regexp.MustCompile(`(?m)^domains: \[\]\n`)
)

// TestSampleConfiguration: the file that is installed is valid, and so it is once its comments are keys.
func TestSampleConfiguration(t *testing.T) {
	program, dir := built(t), t.TempDir()
	sample := read(t, root+"/packaging/dkimbot.yaml")
	whole := emptyList.ReplaceAllString(commented.ReplaceAllString(sample, "$1"), "")
	for _, key := range []string{"providers:", "signers:", "policies:", "serve:", "domains:"} {
		if !strings.Contains(whole, "\n"+key) {
			t.Fatalf("%s is no key of the whole file:\n%s", key, whole)
		}
	}
	secret := []byte("c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0MTI=")
	for name, text := range map[string][]byte{"tsig.secret": secret, "sample.yaml": []byte(sample), "whole.yaml": []byte(whole)} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"sample.yaml", "whole.yaml"} {
		if out := run(t, dir, nil, program, "validate", "--config", name); !strings.Contains(out, "is valid") {
			t.Errorf("%s: %s", name, out)
		}
	}
}
