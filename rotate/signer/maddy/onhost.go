package maddy

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/signer/found"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Where maddy has its things, and where dkimbot's go.
const (
	maddyConf    = "/etc/maddy/maddy.conf"
	maddyKeys    = "/var/lib/maddy/dkim_keys"
	maddyKeyDir  = "/etc/maddy/dkimbot-keys"
	maddyImport  = "/etc/maddy/dkimbot.conf"
	maddyAsk     = "127.0.0.1:2526"
	maddyAnswer  = "/run/dkimbot-maddy/answer.sock"
	maddyGroup   = "maddy"
	maddyRestart = "systemctl restart maddy"
)

// finding is a signer while it is read.
type finding struct{ found.Signer }

// Programs are those that Find finds.
func (c *Config) Programs() []string { return []string{"maddy"} }

// Find finds maddy by its usual configuration, and its domains by the keys that it has made.
func (c *Config) Find(_ context.Context, h found.Host) []found.Signer {
	if !h.Has(maddyConf) {
		return nil
	}
	s := finding{Signer: found.Signer{Name: "maddy", Program: "maddy", From: maddyConf}}
	conf, err := h.ReadTrusted(maddyConf)
	if err != nil {
		s.Remark("it can't be read: " + err.Error() + ".")
		return []found.Signer{s.Signer}
	}
	moved := s.maddyDomains(h)
	if !maddyImports.Match(conf) {
		s.maddyBefore(moved)
	}
	ask := maddyAsk
	if at := maddyEndpoint.FindSubmatch(conf); at != nil {
		ask = string(at[1])
	}
	s.Set("key_dir", maddyKeyDir)
	s.Set("file", maddyImport)
	s.Set("restart", strings.Fields(maddyRestart))
	s.Set("ask", ask)
	s.Set("answer", maddyAnswer)
	s.Set("owner", maddyGroup)
	return []found.Signer{s.Signer}
}

var (
	maddyImports = regexp.MustCompile(`(?m)^[ \t]*import[ \t]+` + regexp.QuoteMeta(maddyImport) + `[ \t]*$`)
	// the endpoint whose modifiers are dkimbot's, as the example has it
	maddyEndpoint = regexp.MustCompile(`(?m)^[ \t]*smtp[ \t]+tcp://([^ \t{]+)[ \t]*\{` +
		`[^}]*modify[ \t]+&dkimbot[^}]*deliver_to[ \t]+lmtp`)
)

// maddyDomains reads the names of maddy's own key files, DOMAIN_SELECTOR.key, and returns the commands that copy each
// to where dkimbot looks.
func (s *finding) maddyDomains(h found.Host) (copies []string) {
	files, _ := filepath.Glob(h.At(maddyKeys) + "/*.key") // the pattern is right
	for _, file := range files {
		name, selector, two := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".key"), "_")
		domain, err := dkim.ParseDomain(name)
		selector, bad := dkim.ParseSelector(selector)
		if !two || err != nil || bad != nil {
			s.Remark(fmt.Sprintf("its key file %q has no name of a domain and a selector.",
				filepath.Base(file)))
			continue
		}
		key := filepath.Join(maddyKeys, filepath.Base(file))
		to := fmt.Sprintf("%s/%s_%s.1.key", maddyKeyDir, domain, selector)
		s.Domains = append(s.Domains, found.Domain{Name: domain, Selector: selector, Key: key,
			Bits: cmp.Or(h.Bits(to), h.Bits(key)), Adopt: []string{"--selector", selector, "--key-file", to}})
		copies = append(copies, fmt.Sprintf("install -o maddy -m 600 %s %s", found.Word(key), found.Word(to)))
	}
	return copies
}

// maddyBefore says how maddy comes to import dkimbot's file.
func (s *finding) maddyBefore(copies []string) {
	s.Before = append([]string{"# dkimbot switches maddy by a file that maddy.conf imports. Make it, and copy the keys in use:",
		"install -d -o root -g maddy -m 750 " + maddyKeyDir,
		"install -m 644 /dev/null " + maddyImport}, copies...)
	s.Before = append(s.Before, "# In "+maddyConf+", with the directives dkim of today above the import, each with",
		"# key_path "+maddyKeyDir+"/{domain}_{selector}.1.key (dkimbot's examples/maddy says more):",
		"#   modifiers dkimbot {", "#       import "+maddyImport, "#   }",
		"#   smtp tcp://"+maddyAsk+" {", "#       tls off", "#       modify &dkimbot",
		"#       deliver_to lmtp unix://"+maddyAnswer, "#   }",
		`# and modify &dkimbot in the place of "dkim ..." where mail goes out. Then, while nobody sends:`,
		maddyRestart)
}
