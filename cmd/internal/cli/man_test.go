package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dkimbot/dkimbot/cmd/internal/cli/console"
	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/cmd/internal/man"
)

// commands returns the program's commands.
func commands() *cobra.Command {
	return root(console.New(Streams{Out: os.Stdout, Err: os.Stderr, Env: func(string) string { return "" }}))
}

// manual returns the program's commands and pages.
func manual(t *testing.T) (*cobra.Command, []man.Page) {
	t.Helper()
	root := commands()
	pages, err := man.All(root, configurationKeys())
	if err != nil {
		t.Fatal(err)
	}
	return root, pages
}

// Every command has a page, which has every flag that the command takes.
func TestEachCommandHasItsPage(t *testing.T) {
	root, pages := manual(t)
	for _, c := range append(below(root), root) {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-")
		page, ok := man.Find(pages, name)
		if !ok || page.Section != 1 {
			t.Errorf("%s has no page", c.CommandPath())
			continue
		}
		text := page.Text(man.Screen{Width: 200})
		see := func(f *pflag.Flag) {
			if !strings.Contains(text, "    --"+f.Name) && !strings.Contains(text, ", --"+f.Name) {
				t.Errorf("the page of %s does not have --%s", c.CommandPath(), f.Name)
			}
		}
		c.LocalFlags().VisitAll(see)
		c.InheritedFlags().VisitAll(see)
		if c.HasParent() && !strings.Contains(mustFind(t, pages, "dkimbot").Text(man.Screen{Width: 200}), name+"(1)") {
			t.Errorf("dkimbot(1) does not name %s(1)", name)
		}
	}
}

func mustFind(t *testing.T, pages []man.Page, name string) man.Page {
	t.Helper()
	p, ok := man.Find(pages, name)
	if !ok {
		t.Fatalf("there is no page %s", name)
	}
	return p
}

// Every key of the configuration stands in dkimbot.yaml(5). That the list has all keys
// which the reader knows is tested where it stands.
func TestEachKeyStandsInItsPage(t *testing.T) {
	_, pages := manual(t)
	text := mustFind(t, pages, "dkimbot.yaml").Text(man.Screen{Width: 200})
	for g := range config.Reference(config.Builtin()) {
		if !strings.Contains(text, g.Path) {
			t.Errorf("the page does not have %s", g.Path)
		}
		for _, f := range g.Fields {
			for _, way := range f.Ways() {
				if !regexp.MustCompile(`(?m)^    ([^ ]+, )*([^ ]+\.)?` + way + `(,| \()`).MatchString(text) {
					t.Errorf("the page does not have %s.%s", g.Path, way)
				}
			}
		}
	}
}

var references = regexp.MustCompile(`dkimbot[a-z.-]*\(\d\)`)

// The pages are good roff: mandoc has nothing to say of them but matters of style, and
// a page that they name exists.
func TestPagesAreGoodRoff(t *testing.T) {
	_, pages := manual(t)
	dir := t.TempDir()
	if err := writeManual(pages, dir); err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		lint := exec.Command("mandoc", "-T", "lint", "-W", "warning", filepath.Join(dir, page.File()))
		out, err := lint.CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s: %v\n%s", page.Ref(), err, out)
		}
		for _, ref := range references.FindAllString(page.Text(man.Screen{Width: 1000}), -1) {
			if !slices.ContainsFunc(pages, func(p man.Page) bool { return p.Ref() == ref }) {
				t.Errorf("%s names %s, which does not exist", page.Ref(), ref)
			}
		}
	}
}

// What is shown on a terminal stays within its width, apart from what must stay as it is.
func TestPagesFitTheTerminal(t *testing.T) {
	_, pages := manual(t)
	for _, page := range pages {
		inCode := page.Text(man.Screen{Width: 1000})
		for line := range strings.Lines(page.Text(man.Screen{Width: 72})) {
			width := len([]rune(strings.TrimRight(line, "\n")))
			if oneWord := len(strings.Fields(line)) == 1; width > 72 && !oneWord && !strings.Contains(inCode, line) {
				t.Errorf("%s has a line of %d columns: %q", page.Ref(), width, line)
			}
		}
	}
}

// A date is one of roff's own headers, and is the same for everybody who builds a release.
func TestPagesHaveADate(t *testing.T) {
	_, pages := manual(t)
	day := time.Date(2026, 3, 4, 23, 0, 0, 0, time.FixedZone("", 3600))
	got := string(mustFind(t, pages, "dkimbot").Roff(man.Release{Version: "v1.2.3", Date: day}))
	want := `.TH "DKIMBOT" "1" "2026-03-04" "dkimbot v1.2.3" "dkimbot manual"` + "\n"
	if !strings.HasPrefix(got, want) {
		t.Errorf("the page begins with %.80q, want %q", got, want)
	}
}
