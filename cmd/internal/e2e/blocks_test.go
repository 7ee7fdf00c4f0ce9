package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"go.yaml.in/yaml/v4"

	"github.com/dkimbot/dkimbot/cmd/internal/config"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// block is one block of a README.
type block struct{ folder, language, text string }

var fence = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")

// blocksOf returns the blocks of a page of an example.
func blocksOf(folder, page string) (all []block) {
	for _, m := range fence.FindAllStringSubmatch(page, -1) {
		all = append(all, block{folder, m[1], m[2]})
	}
	return all
}

// reader tells how a block of configuration is tried: by the program that reads it, or by dkimbot.
type reader struct {
	folder string
	begins string // the first words of the block
	try    func(t *testing.T, b block)
}

// TestExampleBlocks: every block of configuration in the READMEs of the examples is read without a complaint by the
// program that it is for. Commands are other tests' (TestReadmeCommandsRun, TestCommandsInDocumentsExist).
func TestExampleBlocks(t *testing.T) {
	readers := []reader{
		{"bind-opendkim-vault", `zone "example.com"`, readBIND},
		{"bind-opendkim-vault", "# main.cf", readPostfix},
		{"dkimpy-milter", "Mode ", readDkimpyMilter},
		{"docker-mailserver", "    ports:", inSection("services:\n  mailserver:\n", readCompose)},
		{"docker-mailserver", "#!/bin/bash", readShell},
		{"docker-mailserver", "path = ", readRspamd("/etc/rspamd-dkim/keys/")},
		{"docker-mailserver", "  mailserver:", inSection("signers:\n", readValidate)},
		{"exim", "dkim_domain", readExim},
		{"haraka", "[sign]", readHaraka},
		{"http", "POST ", readHTTP},
		{"knot-files", "zone:", readKnot},
		{"kumomta", "local dkim_signer", readLua},
		{"kumomta", "[domain]", readTOML},
		{"kumomta", "[base]", readTOML},
		{"mailcow", "use_redis", readRspamd("")},
		{"monitoring", "serve:", readValidate},
		{"rspamd", "path = ", readRspamd("/var/lib/rspamd/dkim/")},
		{"rspamd-vault", "use_vault", readRspamd("")},
		{"signers", "signers:", readValidate},
	}
	pages, err := filepath.Glob("../../../examples/*/README.md")
	must(t, err)
	read := make([]bool, len(readers))
	for _, page := range pages {
		folder := filepath.Base(filepath.Dir(page))
		for _, b := range blocksOf(folder, shipped(t, folder+"/README.md")) {
			if slices.Contains([]string{"console", "sh", "json"}, b.language) {
				continue
			}
			i := slices.IndexFunc(readers, func(r reader) bool { return r.folder == folder && strings.HasPrefix(b.text, r.begins) })
			if i < 0 {
				t.Errorf("nobody reads this block of %s:\n%s", page, b.text)
				continue
			}
			read[i] = true
			t.Run(folder+"/"+strings.TrimSpace(readers[i].begins), func(t *testing.T) { readers[i].try(t, b) })
		}
	}
	for i, r := range readers {
		if !read[i] {
			t.Errorf("examples/%s/README.md has no block that begins with %q", r.folder, r.begins)
		}
	}
}

// accepts runs a program that checks a configuration: it must end well.
func accepts(t *testing.T, argv ...string) {
	t.Helper()
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Errorf("%q: %v\n%s", argv, err, out)
	}
}

// file writes a file into a directory that is safe for keys.
func file(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(signertest.SafeDir(t), name)
	must(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

func inSection(section string, try func(*testing.T, block)) func(*testing.T, block) {
	return func(t *testing.T, b block) {
		b.text = section + b.text
		try(t, b)
	}
}

// readValidate adds the block to a configuration in the place of what stands there, and has dkimbot validate it.
func readValidate(t *testing.T, b block) {
	text := shipped(t, "quickstart/dkimbot.yaml")
	if name, signers := strings.CutPrefix(b.text, "signers:\n"); signers {
		from, to := strings.Index(text, "\nsigners:"), strings.Index(text, "\npolicies:")
		text = text[:from+1] + text[to+1:]
		name, _, _ = strings.Cut(strings.TrimSpace(name), ":")
		text = strings.ReplaceAll(text, "[mx1]", "["+name+"]")
	}
	path := file(t, "dkimbot.yaml", text+"\n"+b.text)
	must(t, os.Chmod(path, 0o600))
	c, err := config.Load(path)
	if err != nil || len(c.Domains) == 0 {
		t.Errorf("%v", err)
	}
}

func readCompose(t *testing.T, b block) {
	var c struct {
		Services struct {
			Mailserver struct{ Ports, Volumes []string }
		}
	}
	if err := yaml.Unmarshal([]byte(b.text), &c); err != nil || len(c.Services.Mailserver.Ports) != 1 ||
		len(c.Services.Mailserver.Volumes) != 2 {
		t.Errorf("%v: %+v", err, c)
	}
}

func readShell(t *testing.T, b block) { accepts(t, "shellcheck", file(t, "user-patches.sh", b.text)) }

func readBIND(t *testing.T, b block) {
	const key = `key "dkimbot." { algorithm hmac-sha256; secret "c2VjcmV0"; };` + "\n"
	accepts(t, "named-checkconf", file(t, "named.conf", key+b.text))
}

func readKnot(t *testing.T, b block) {
	accepts(t, "knotc", "-c", file(t, "knot.conf", b.text), "conf-check")
}

// readPostfix reads the parameters as Postfix does; a line that is none would end in a warning.
func readPostfix(t *testing.T, b block) {
	dir := filepath.Dir(file(t, "main.cf", "compatibility_level = 3.6\n"+b.text))
	must(t, os.WriteFile(filepath.Join(dir, "master.cf"), nil, 0o644))
	out, err := exec.Command("postconf", "-c", dir, "-n").CombinedOutput()
	if err != nil || strings.Contains(string(out), "warning") || !strings.Contains(string(out), "transport_maps = ") {
		t.Errorf("%v\n%s", err, out)
	}
}

func readExim(t *testing.T, b block) {
	conf := "begin transports\nremote_smtp:\n  driver = smtp\n  " + strings.ReplaceAll(b.text, "\n", "\n  ")
	path := file(t, "exim.conf", conf)
	accepts(t, "exim4", "-C", path, "-bV")
	out, err := exec.Command("exim4", "-C", path, "-bP", "transport", "remote_smtp").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "dkim_strict = true") {
		t.Errorf("%v\n%s", err, out)
	}
}

// readDkimpyMilter starts one with the lines of the example.
func readDkimpyMilter(t *testing.T, b block) {
	d := signertest.StartDkimpyMilter(t, false)
	text, err := os.ReadFile(d.Conf)
	must(t, err)
	for line := range strings.Lines(b.text) {
		option, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		value = strings.TrimSpace(value)
		ours := regexp.MustCompile(`(?m)^` + option + " (.*)$").FindSubmatch(text)
		if ours == nil {
			t.Fatalf("the milter of the tests has no %s", option)
		}
		kind, _, _ := strings.Cut(value, ":")
		if mine, _, _ := strings.Cut(string(ours[1]), ":"); mine != kind {
			t.Errorf("%s is %q, and %q for the milter that is tested", option, value, ours[1])
		}
	}
}

// readRspamd has rspamd read the block as the one of its module, and as that of arc.
func readRspamd(dir string) func(*testing.T, block) {
	return func(t *testing.T, b block) {
		for _, module := range []string{"dkim_signing", "arc"} {
			conf := file(t, "rspamd.conf", "options { filters = \"dkim\"; }\n"+module+" {\n"+b.text+"}\n")
			accepts(t, "rspamadm", "configtest", "-c", conf)
			out, err := exec.Command("rspamadm", "configdump", "-c", conf, "-j", module).CombinedOutput()
			for line := range strings.Lines(b.text) {
				name, _, _ := strings.Cut(line, " ")
				if err != nil || !bytes.Contains(out, []byte(fmt.Sprintf("%q", name))) {
					t.Errorf("rspamd does not have %s: %v\n%s", name, err, out)
				}
			}
		}
		if dir != "" && !strings.Contains(b.text, fmt.Sprintf("path = %q;", dir+"$domain.$selector.key")) {
			t.Errorf("keys are not read from %s", dir)
		}
	}
}

// readHaraka starts one with the lines of the example in dkim.ini.
func readHaraka(t *testing.T, b block) {
	h := signertest.NewHaraka(t)
	must(t, os.WriteFile(filepath.Join(h.Config, "dkim.ini"), []byte(b.text), 0o644))
	h.Start(t)
}

func readHTTP(t *testing.T, b block) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.Replace(b.text, "HTTP/1.1\n", "HTTP/1.1\nHost: x\n", 1))))
	if err != nil || r.Header.Get("Idempotency-Key") == "" {
		t.Errorf("%v", err)
	}
}

func readLua(t *testing.T, b block) {
	accepts(t, "rspamadm", "lua", "-b", file(t, "init.lua",
		"dkim_sign = { setup = function(_, files) assert(#files == 2); return files end }\n"+b.text))
}

func readTOML(t *testing.T, b block) {
	var all map[string]map[string]any
	if err := toml.Unmarshal([]byte(b.text), &all); err != nil || len(all) != 1 {
		t.Errorf("%v: %v", err, all)
	}
}
