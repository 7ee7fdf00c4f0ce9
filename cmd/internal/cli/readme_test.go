package cli_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/cmd/internal/cli"
)

const repository = "../../.."

// maxReadme is what a person reads in one go.
const maxReadme = 12000

// readmes returns the README of the project and those of the examples, by their paths.
func readmes(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(repository, "examples", "*"))
	must(t, err)
	out := map[string]string{}
	for _, dir := range append(files, repository) {
		text, err := os.ReadFile(filepath.Join(dir, "README.md"))
		if err != nil {
			t.Errorf("a folder without a README: %v", err)
		}
		path, _ := filepath.Rel(repository, filepath.Join(dir, "README.md"))
		out[path] = string(text)
	}
	return out
}

// fenced returns the lines of the blocks of a language.
func fenced(text, language string) (lines []string) {
	in, block := false, ""
	for line := range strings.Lines(text) {
		switch line = strings.TrimRight(line, "\n"); {
		case strings.HasPrefix(line, "```"):
			in, block = !in, strings.TrimPrefix(line, "```")
		case in && block == language && line != "":
			lines = append(lines, line)
		}
	}
	return lines
}

func TestReadmeIsShort(t *testing.T) {
	if n := len(readmes(t)["README.md"]); n > maxReadme {
		t.Errorf("README.md has %d bytes, more than %d: what few people need belongs into a manual page", n, maxReadme)
	}
}

// Every command in a block "sh" of a README runs as it stands, one after the other, on a
// mail host where example.com is new. What needs the reader's own systems stands in a
// block "console", with a prompt.
func TestReadmeCommandsRun(t *testing.T) {
	ran := 0
	for path, text := range readmes(t) {
		commands := fenced(text, "sh")
		ran += len(commands)
		if len(commands) == 0 {
			continue
		}
		t.Run(filepath.Dir(path), func(t *testing.T) {
			t.Parallel()
			l := newLab(t, "example.com")
			l.Policy = "ttl: 1s\nsplay: 0s" // the waits of real mail, which the simulation asks for
			l.write(t)
			l.serve(t)
			must(t, os.CopyFS(filepath.Join(l.Dir, "examples"), os.DirFS(filepath.Join(repository, "examples"))))
			elsewhere(t, filepath.Join(l.Dir, "examples/quickstart/dkimbot.yaml"))
			unrun(t, filepath.Join(l.Dir, "examples/quickstart"))
			for _, c := range commands {
				shell(t, l, c)
			}
		})
	}
	if ran < 10 {
		t.Errorf("the READMEs have only %d commands", ran)
	}
}

// elsewhere lets the quickstart answer at an address that nobody else uses.
func elsewhere(t *testing.T, config string) {
	t.Helper()
	text, err := os.ReadFile(config)
	must(t, err)
	must(t, os.WriteFile(config, bytes.ReplaceAll(text, []byte("127.0.0.1:15353"), []byte(ownAddress(t))), 0o600))
}

var block = regexp.MustCompile(`(?s); BEGIN dkimbot.*; END dkimbot[^\n]*\n`)

// unrun takes back what the README's first command left in a quickstart: whoever reads the README runs it before
// the tests, and its key records stand in a file of the repository.
func unrun(t *testing.T, quickstart string) {
	t.Helper()
	must(t, os.RemoveAll(filepath.Join(quickstart, "run")))
	zone := filepath.Join(quickstart, "zones/example.test.zone")
	text, err := os.ReadFile(zone)
	must(t, err)
	must(t, os.WriteFile(zone, block.ReplaceAll(text, nil), 0o600))
}

// shell runs a line as a person does, in the lab.
func shell(t *testing.T, l *lab, line string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, "sh", "-c", strings.ReplaceAll(line, "go run ./cmd/dkimbot", "dkimbot"))
	cmd.Dir = l.Dir
	cmd.Env = append(os.Environ(), append(l.Env, "DKIMBOT_CONFIG="+filepath.Join(l.Dir, "dkimbot.yaml"))...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", line, err, out)
	}
}

var (
	inline  = regexp.MustCompile("`(dkimbot [^`]+)`")
	cut     = regexp.MustCompile(`\s*(\|\||\||&&|;|>|2>|#\s).*`)
	target  = regexp.MustCompile("make ([a-z]+)")
	links   = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)
	prompts = regexp.MustCompile(`^[$#] `)
)

// documents returns the READMEs, the manual pages that are written by hand, and the
// other documents of the project.
func documents(t *testing.T) map[string]string {
	t.Helper()
	out := readmes(t)
	must(t, filepath.WalkDir(repository, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "testdata" {
			return filepath.SkipDir
		}
		if err == nil && strings.HasSuffix(path, ".md") {
			text, err := os.ReadFile(path)
			rel, _ := filepath.Rel(repository, path)
			out[rel] = string(text)
			return err
		}
		return err
	}))
	return out
}

// Every command that a document names exists, with its flags.
func TestCommandsInDocumentsExist(t *testing.T) {
	commands := map[string]string{}
	for path, text := range documents(t) {
		note := func(c string) {
			if c = cut.ReplaceAllString(prompts.ReplaceAllString(c, ""), ""); strings.HasPrefix(c, "dkimbot ") {
				commands[c] = path
			}
		}
		for _, language := range []string{"sh", "console", ""} {
			for _, line := range fenced(text, language) {
				if language == "console" && !prompts.MatchString(line) {
					t.Errorf("%s: a line without a prompt in a block of the form console: %s", path, line)
				}
				note(line)
			}
		}
		for _, m := range inline.FindAllStringSubmatch(text, -1) {
			note(m[1])
		}
	}
	if len(commands) < 30 {
		t.Fatalf("the documents name only %d commands", len(commands))
	}
	for c, path := range commands {
		args := strings.Fields(c)[1:]
		tries := [][]string{append(slices.Clone(args), "--help")} // says which flags are wrong
		if !strings.HasPrefix(args[0], "-") {
			tries = append(tries, []string{"help", args[0]}) // and whether there is such a command
		}
		for _, try := range tries {
			var out bytes.Buffer
			s := cli.Terminal() // hundreds of processes would take half a minute
			s.Out, s.Err = &out, &out
			if cli.Main(try, s) != 0 {
				t.Errorf("%s: %s: %s", path, c, out.String())
			}
		}
	}
}

// What the documents name of the project is there: files that they link to, and targets
// of the Makefile.
func TestDocumentsNameWhatIsThere(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	must(t, err)
	for path, text := range documents(t) {
		for _, m := range links.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(repository, filepath.Dir(path), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", path, m[1])
			}
		}
		for _, line := range slices.Concat(fenced(text, "sh"), fenced(text, "console")) {
			if m := target.FindStringSubmatch(line); m != nil && !bytes.Contains(makefile, []byte("\n"+m[1]+":")) {
				t.Errorf("%s: the Makefile has no target %s", path, m[1])
			}
		}
	}
}
