package maps

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/fault"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// start starts an rspamd whose modules read maps that are empty, and returns the adapter for it; edit changes its
// configuration.
func start(t testing.TB, edit func(*Config)) (*signertest.Rspamd, *Signer) {
	t.Helper()
	d := signertest.NewRspamd(t)
	s := adapter(d, edit)
	conf := "dkim_signing { " + signertest.RspamdSigning(s.cfg.KeyDir, s.cfg.SelectorMap)
	arc := "arc { sign_local = true; use_domain = header; " + signertest.RspamdSigning(s.cfg.KeyDir, s.cfg.ArcSelectorMap)
	for path, line := range map[string]*string{s.cfg.SelectorMap: nil, s.cfg.PathMap: &conf, s.cfg.ArcSelectorMap: nil,
		s.cfg.ArcPathMap: &arc} {
		if path == "" {
			continue
		}
		if write(t, path, ""); line != nil {
			*line += fmt.Sprintf("path_map = %q; ", path)
		}
	}
	if conf += "}\n"; s.cfg.ArcSelectorMap != "" {
		conf += arc + "}\n"
	}
	d.Start(t, conf)
	return d, s
}

// adapter returns the adapter for the files of an rspamd.
func adapter(d *signertest.Rspamd, edit func(*Config)) *Signer {
	cfg := Config{Name: "rs", KeyDir: d.KeyDir, SelectorMap: d.Path("selectors.map")}
	if edit != nil {
		edit(&cfg)
	}
	return New(cfg)
}

// TestConformance guards I1 and I10 with the real rspamd and all maps. The other tests have a map of selectors alone.
func TestConformance(t *testing.T) {
	signertest.Run(t, func(t *testing.T) signertest.Subject {
		d, s := start(t, everyMap)
		return signertest.Subject{Signer: later{s}, SignsWith: func(t *testing.T, domain string) dkim.Ref {
			return d.SignsWith(t, domain, signertest.Keys(t, 4)...)
		}}
	})
}

// later forgets keys when no process of rspamd can have the maps from before any more.
type later struct{ *Signer }

func (l later) Forget(ctx context.Context, keys []dkim.Ref) error {
	now := l.now
	l.Signer.now = func() time.Time { return now().Add(l.cfg.Lag) }
	defer func() { l.Signer.now = now }()
	return l.Signer.Forget(ctx, keys)
}

// everyMap names all maps, beside the map of selectors.
func everyMap(c *Config) {
	c.PathMap, c.ArcSelectorMap, c.ArcPathMap = c.SelectorMap+".paths", c.SelectorMap+".arc", c.SelectorMap+".arcpaths"
}

func activate(t testing.TB, s *Signer, keys ...dkim.SigningKey) {
	t.Helper()
	if err := s.Activate(t.Context(), keys); err != nil {
		t.Fatalf("Activate: %v (%s)", err, fault.HintOf(err))
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestExample: the lines of the example are those that the tests here run with.
func TestExample(t *testing.T) {
	lines := signertest.RspamdSigning("/var/lib/rspamd/dkim", "/etc/rspamd/dkim_selectors.map")
	if !strings.Contains(read(t, "../../../../examples/rspamd/README.md"), "```\n"+lines+"\n```") {
		t.Errorf("examples/rspamd/README.md does not have the lines\n%s", lines)
	}
}
