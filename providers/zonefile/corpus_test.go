package zonefile

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dkimbot/dkimbot/providers/zonefile/master"

	"github.com/miekg/dns"
)

const corpusHead = "$TTL 60\n@ SOA ns hm 41 3600 600 86400 60\n@ NS ns\nns A 192.0.2.1\n"

// corpusFile is one zone file of the corpus.
type corpusFile struct {
	name string // of the list, and the line in it
	text string
	bind bool // BIND takes it
}

// corpus returns the files of the corpus, made in the image of public zone files.
func corpus(t testing.TB) []corpusFile {
	t.Helper()
	var out []corpusFile
	for _, list := range []struct{ file, head string }{{"records.txt", corpusHead + "f "}, {"files.txt", corpusHead},
		{"heads.txt", ""}} {
		for i, line := range corpusLines(t, list.file) {
			line, others := strings.CutPrefix(line, notBIND)
			text := list.head + line
			if list.head != "" {
				text += "\n"
			}
			out = append(out, corpusFile{fmt.Sprintf("%s %d: %.60q", list.file, i+1, line), text, !others})
		}
	}
	return out
}

// notBIND marks a case that BIND does not take, but another name server does.
const notBIND = "~"

// corpusLines returns the cases of a list.
func corpusLines(t testing.TB, file string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "corpus", file))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && !strings.HasPrefix(line, "# ") {
			out = append(out, strings.NewReplacer("⏎", "\n", "␍", "\r", "→", "\t").Replace(line))
		}
	}
	return out
}

// checkers are the programs of name servers that judge zone files.
var checkers = map[string]func(zone, path string) []string{
	"BIND": func(zone, path string) []string {
		return []string{"named-checkzone", "-q", "-i", "none", "-k", "ignore", zone, path}
	},
	"Knot": func(zone, path string) []string { return []string{"kzonecheck", "-o", zone, path} },
	"NSD":  func(zone, path string) []string { return []string{"nsd-checkzone", zone, path} },
}

// accept returns which name servers take a zone file, and what the others say.
func accept(t testing.TB, dir, zone, text string, only map[string]string) map[string]string {
	t.Helper()
	path := filepath.Join(dir, zone+suffix)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Error(err)
	}
	out := map[string]string{}
	for name, command := range checkers {
		if only != nil && only[name] != "" {
			continue
		}
		args := command(zone, path)
		if _, err := exec.LookPath(args[0]); err != nil {
			t.Errorf("%v (Debian: bind9-utils, knot-dnssecutils, nsd)", err)
		}
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = dir
		said, err := cmd.CombinedOutput()
		if out[name] = ""; err != nil {
			out[name] = fmt.Sprintf("%v: %.300s", err, said)
		}
	}
	return out
}

// What any name server takes is changed, and then taken again; only our records
// and the serial differ (I6).
func TestCorpusIsChanged(t *testing.T) {
	files := make(chan corpusFile)
	var group sync.WaitGroup
	for range 4 {
		dir := t.TempDir()
		include, err := os.ReadFile("testdata/corpus/inc.inc")
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "inc.inc"), include, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			for f := range files {
				checkChange(t, dir, f)
			}
		})
	}
	for i, f := range corpus(t) {
		if !raceEnabled || i%5 == 0 {
			files <- f
		}
	}
	close(files)
	group.Wait()
}

func checkChange(t *testing.T, dir string, f corpusFile) {
	before := accept(t, dir, "example.com", f.text, nil)
	refused := 0
	for _, why := range before {
		if why != "" {
			refused++
		}
	}
	if refused == len(checkers) {
		t.Errorf("%s: no name server takes this: %s", f.name, before)
		return
	}
	if (before["BIND"] == "") != f.bind {
		t.Errorf("%s: wrongly marked; BIND says %q", f.name, before["BIND"])
	}
	d, err := parseDocument("example.com.", filepath.Join(dir, "example.com.zone"), master.Content{Text: f.text})
	if err != nil {
		t.Errorf("%s: %v; but name servers take it: %s", f.name, err, before)
		return
	}
	own := []dns.RR{mustRR(t, testTXT)}
	if checkPlace(d, own, own) != nil {
		return // no server would show it there
	}
	changed, err := d.rewrite(own, testDay)
	if err != nil {
		t.Errorf("%s: %v", f.name, err)
		return
	}
	checkText(t, d, changed)
	for name, why := range accept(t, dir, "example.com", changed, before) {
		if why != "" {
			t.Errorf("%s: %s takes the file, but not when it is changed: %s\n%s", f.name, name, why, changed)
		}
	}
}
