package house

import (
	"go/ast"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// riddles are sentences that were written once and had to be read twice, with the plain ones.
var riddles = map[string]string{
	`as many domains have begun to switch`:        "limit reached: N domains started switching in the last hour",
	`is told above`:                               "waiting, see above",
	`nobody\s+(?://\s*)?knows`:                    "could not verify that, or: it is not known which",
	`it takes a step that the plan does not have`: "the domain now needs a step that is not in the plan",
	`nothing needs it any more`:                   "it is only needed for a rollback",
	`(does|did) not tell\b`:                       "did not answer which key it uses",
	`is no (number|duration|time of day)\b`:       "is not a number of days",
	`\bis sound\b`:                                "is valid",
	`says once more that the key`:                 "a repeated --compromised refers to",
	`changes to it begin by`:                      "its changes start only with an applied plan",
	`begin it now all the same`:                   "start it now with --ignore-...",
	`shows what is believed`:                      "--dry-run shows the result",
	`kept in order without it`:                    "shows what dkimbot still does",
	`when the plan was made it was:`:              "signer S now signs with s1; when the plan was made: signs with s2",
	`(is|are) back at what (it|they)`:             "the tables were restored",
	`found astray`:                                "found drifted",
	`(revokes?|leaves) it nevertheless`:           "revoke it now anyway",
}

// banned are words for which the project has one of its own, and that.
var banned = map[string]string{
	`handed back|hand(s|ing) back|let go`:      "released",
	`clear(s|ed|ing)? away`:                    "purge",
	`stray(s|ed|ing)?|astray`:                  "drifted",
	`(dis|mis)trust(s|ed)?`:                    "compromised",
	`leaked`:                                   "compromised",
	`in hand`:                                  "in progress",
	`told|untold`:                              "reported, notified, given, or asked",
	`tells? (which|what|whether|why|when|who)`: "says which",
	`set(s|ting)? aside`:                       "override",
	`anew`:                                     "again",
}

// named are the texts in which a banned word stays, because programs know it.
var named = []string{
	"leaked",        // a code
	"signer-strays", // a code
}

var (
	inTexts    = anyOf(slices.Collect(maps.Keys(banned)))
	inComments = anyOf([]string{`handed back|hand(s|ing) back|let go`, `clear(s|ed|ing)? away`,
		`(dis|mis)trust(s|ed)?`, `in hand`, `told|untold`})

	riddle   = regexp.MustCompile(strings.Join(slices.Collect(maps.Keys(riddles)), "|"))
	known    = regexp.MustCompile("(^|`)(" + strings.Join(named, "|") + ")(`|$)")
	comment  = regexp.MustCompile(`(?m)(^|[\t ])//.*$`)
	nameless = regexp.MustCompile(`^(told|untold|tell|Tell|Told|aside|pulse|anew)$`)
)

func anyOf(words []string) *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(` + strings.Join(words, "|") + `)\b`)
}

// TestPlainWords: texts, comments, names and pages use the words of the glossary and no sentence that has to be
// read twice. Fields of
// JSON and codes keep their names.
func TestPlainWords(t *testing.T) {
	texts := 0
	for _, files := range sources(t) {
		for path, file := range files {
			if strings.Contains(path, "rotate/simulate/") || strings.Contains(path, "rotate/mutation/") {
				continue // models and tools of the developers
			}
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.Field:
					n.Tag = nil // names in JSON stay as they are
				case *ast.BasicLit:
					if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
						texts++
						unplain(t, path, text, inTexts)
					}
				case *ast.Ident:
					if nameless.MatchString(n.Name) {
						t.Errorf("%s: the name %s does not say what it stands for", path, n.Name)
					}
				}
				return true
			})
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, said := range comment.FindAllString(string(source), -1) {
				texts++
				unplain(t, path, said, inComments)
			}
		}
	}
	if texts < 10_000 {
		t.Errorf("only %d texts were read", texts)
	}
}

// TestPlainPages: so do the documents.
func TestPlainPages(t *testing.T) {
	pages := 0
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (hidden(e) || e.Name() == "testdata"):
			return fs.SkipDir
		case filepath.Ext(path) != ".md" || e.Name() == "CHANGELOG.md":
			return nil
		}
		page, err := os.ReadFile(path)
		pages++
		unplain(t, path, string(page), inTexts)
		return err
	})
	if err != nil || pages < 20 {
		t.Errorf("%d pages: %v", pages, err)
	}
}

// unplain reports the words, and the riddles, that stand in a text.
func unplain(t *testing.T, path, text string, words *regexp.Regexp) {
	t.Helper()
	text = known.ReplaceAllString(text, "")
	for _, found := range words.FindAllString(text, -1) {
		t.Errorf("%s: %q in %.100q; instead: %s", path, found, text, plainFor(banned, `(?i)^(?:%)$`, found))
	}
	for _, found := range riddle.FindAllString(text, -1) {
		t.Errorf("%s: %q in %.100q; instead: %s", path, found, text, plainFor(riddles, `^(?:%)$`, found))
	}
}

// plainFor returns what stands in the list for what was found.
func plainFor(list map[string]string, whole, found string) string {
	for pattern, plain := range list {
		if regexp.MustCompile(strings.Replace(whole, "%", pattern, 1)).MatchString(found) {
			return plain
		}
	}
	return ""
}
