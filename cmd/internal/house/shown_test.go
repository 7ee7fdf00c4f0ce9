package house

import (
	"cmp"
	"go/ast"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// unshown are faults that no test shows, by file and the words that it would show
// or the function that passes words on, each with the reason.
var unshown = map[string]string{
	"cmd/internal/cli/console/durationflag.go: is not a number of days":  "the flag says instead which times it takes",
	"cmd/internal/cli/act/adopt.go: checkSelectors":                      "says which flag it is, and what the selector's parser says",
	"cmd/internal/machine/process.go: find out which process this is":    "needs a machine without /proc",
	"cmd/internal/machine/process.go: give the machine a name: hostname": "needs a kernel that does not say its name",
	"cmd/internal/report/report.go: Err":                                 "says what another fault said, when the plan was made",
	"keystore/file/faults.go: explain": "takes the way out that safefile names, " +
		"which TestOthersKeystore shows",
	"keystore/vault/diagnose.go: diagnose": "takes the hint of the way to log in, " +
		"which TestAppRole and others show",
	"keystore/vault/faults.go: explain":            "takes the hint of the fault that it is about",
	"providers/cloudflare_explain.go: explain":     "says what the service said; Publish adds the hint",
	"providers/failure.go: failureOf":              "says what the driver said; Publish adds the hint",
	"providers/rfc2136.go: explain":                "says what the server said, with the hint of the TSIG error or of Publish",
	"providers/rfc2136.go: read":                   "says what the server said about the TSIG key, with its hint",
	"providers/route53.go: Set":                    "says what the service said; Publish adds the hint",
	"providers/route53_explain.go: explainRoute53": "says what the service said; Publish adds the hint",
	"providers/zonefile/server.go: try again; " +
		"if it does not pass, give another address as listen, " +
		"or leave it out": "needs a socket that breaks between being opened and being used",
	"rotate/signer/endpoint/refusal.go: refused": "takes the way to log in that each signer names, " +
		"which their tests show",
	"rotate/forecast/forecast.go: what comes after": "needs a kind of step that no planner makes",
	"rotate/signer/keyfiles/place.go: Fault": "takes the way out that safefile names, " +
		"which TestPlanted shows",
	"providers/zonefile/file.go: ioFault": "takes the way out that safefile names, " +
		"which TestPlanted shows",
	"cmd/internal/cli/onhost/command.go: once": "says what the report says, which TestOnceWithDamagedWish shows",
	"rotate/signer/agent/report.go: failed":    "says what the agent reported, which TestOneFails shows",
	"rotate/signer/agent/host/host.go: see":    "says what the adapter said",
	"rotate/signer/agent/ssh/faults.go: lasting": "makes the faults of several that pass their words on, " +
		"which TestFaultTexts shows",
	"rotate/signer/agent/ssh/faults.go: problem": "says what the host said, which TestFaultTexts shows",
	"rotate/signer/agent/host/memory.go: lock the agents directory": "names the process that holds it; TestMemory " +
		"looks at it",
	"rotate/engine/await.go: unverified":                               "says what the look-up said, with its hint",
	"rotate/plan/repair.go: keyless":                                   "says what the drift of the key says",
	"rotate/plan/replace.go: a signer still signs with it":             "a second guard: a signer that strays is brought back first, which TestPlan shows",
	"rotate/plan/rollback.go: plan the next look at":                   "needs a schedule that the configuration refuses",
	"rotate/simulate/agents.go: read it again; another one was faster": "the simulation's own, which is never shown",
	"rotate/simulate/ports.go: it is in no zone":                       "the simulation's own, which is never shown",
	"rotate/simulate/process.go: wait; " +
		"it is tried again": "the simulation's own, which is never shown",
	"rotate/verify/place.go: too many zone cuts":                 "needs more zone cuts than names have labels in practice",
	"rotate/verify/zone.go: find the addresses of name servers":  "needs the time to run out between two look-ups",
	"rotate/testmail/testmail.go: the signature does not verify": "needs a verifier that refuses what has no known fault",
	"rotate/verify/verify.go: name the resolvers in verify.resolvers, " +
		"or the zones servers in verify.nameservers": "needs a machine without /etc/resolv.conf",
	"state/sqlite/create.go: state.path must be on a file system with hard links": "needs such a file system",
	"state/sqlite/faults.go: check the disk, its free space and the kernels log":  "needs a broken disk",
}

// defect is the hint of a fault that only a mistake in the program can cause.
const defect = "report this as a defect"

// told is a fault with the constant words of what it says.
type told struct {
	made
	text, hint []string
}

// shown returns the words that a test has to show: the longest piece that no other
// fault has, of the text, or of the hint where all of the text comes from elsewhere.
// They are "" where the hint does, too.
func (f told) shown(sayers func(piece string) int) string {
	anybody := func(string) int { return 1 }
	return cmp.Or(distinctive(f.text, sayers), distinctive(f.hint, sayers), distinctive(f.text, anybody),
		distinctive(f.hint, anybody))
}

func (f told) says(piece string) bool {
	has := func(s string) bool { return strings.Contains(s, piece) }
	return slices.ContainsFunc(f.text, has) || slices.ContainsFunc(f.hint, has)
}

// An error that a user can cause is one that somebody has read: the words of every
// fault that is made in the program stand in a test, or it is listed above with a
// reason. faulttest.Shown puts them there.
func TestEveryFaultIsShown(t *testing.T) {
	var all []told
	for _, files := range sources(t) {
		r, hinted := newReader(files), hintParameters(files)
		for path, file := range files {
			see := func(m made) {
				all = append(all, told{m, r.fragments(m.in, m.text...), r.fragments(m.in, m.hint)})
			}
			walkFaults(path, file, hinted, see)
			walkUsage(path, file, see)
		}
	}
	sayers := func(piece string) (n int) {
		for _, f := range all {
			if f.says(piece) {
				n++
			}
		}
		return n
	}
	tests, found := tests(t), map[string]bool{}
	for _, f := range all {
		words := f.shown(sayers)
		if words != "" && strings.Contains(tests, words) || strings.HasPrefix(strings.Join(f.hint, ""), defect) {
			continue
		}
		place := f.file + ": " + cmp.Or(words, f.in.Name.Name)
		found[place] = true
		if unshown[place] == "" {
			t.Errorf("%s (in %s): no test shows it", place, f.in.Name)
		}
	}
	for place := range unshown {
		if !found[place] {
			t.Errorf("%s is shown, or is no more: take it off the list", place)
		}
	}
}

// tests returns the texts of all tests: what stands in their source, but for
// comments, and in the files that they run or compare with.
func tests(t *testing.T) string {
	t.Helper()
	var out strings.Builder
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && (hidden(e) || path == filepath.Join(root, "cmd/internal/house")):
			return fs.SkipDir
		case e.IsDir():
			return nil
		case strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".go") &&
			strings.HasSuffix(filepath.Dir(path), "test"):
			file, err := parse(fset, path)
			if err != nil {
				return err
			}
			literals(file, &out)
		case strings.Contains(path, "/testdata/"):
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			out.WriteString(plain(string(text)) + "\n")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// literals writes the texts of a file, a line each.
func literals(file *ast.File, to *strings.Builder) {
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				to.WriteString(plain(text) + "\n")
			}
		}
		return true
	})
}
