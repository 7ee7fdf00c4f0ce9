package rspamd

import (
	"context"
	"os"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/dkimbot/dkimbot/rotate/child"
	"github.com/dkimbot/dkimbot/rotate/preflight"
)

// programs are where rspamd's own tool may be.
var programs = []string{"/usr/bin/rspamadm", "/usr/local/bin/rspamadm"}

// askTime is how long rspamadm may take to print a part of the configuration.
const askTime = 20 * time.Second

// CheckHost asks rspamd's own tool, where this host has it, whether rspamd reads what dkimbot writes. What differs is
// said with the line to write; the rspamd that is meant may also run on another host, so it is no failure.
func (c *Config) CheckHost(of []preflight.Subject) []preflight.Question {
	if c.Preset == mailcow { // its rspamd runs in a container; one on this host is another
		return nil
	}
	for _, program := range programs {
		if _, err := os.Stat(program); err == nil {
			return c.checkHost(preflight.Domains(of), func(ctx context.Context, module string) ([]byte, error) {
				res, err := child.Run(ctx, child.Program{Argv: []string{program, "configdump", "-j", module}, Timeout: askTime})
				return res.Stdout, err
			})
		}
	}
	return nil
}

func (c *Config) checkHost(domains []string,
	ask func(ctx context.Context, module string) ([]byte, error)) []preflight.Question {
	modules := []string{"dkim_signing"}
	if c.ArcSelectorMap != "" || c.ArcSelectorPrefix != "" || c.ArcVaultPath != "" {
		modules = append(modules, "arc")
	}
	said := ""
	return []preflight.Question{{What: "rspamadm configdump", Domains: domains, Found: func() string { return said },
		Ask: func(ctx context.Context) error {
			var all []string
			for _, module := range modules {
				all = append(all, c.compare(ctx, module, domains, ask)...)
			}
			said = "rspamd's configuration is as this signer has it"
			if len(all) > 0 {
				said = "warning: rspamd on this host does not read what dkimbot writes: " + strings.Join(all, " | ")
			}
			return ctx.Err()
		}}}
}

// compare says what one module does otherwise, with the lines to write.
func (c *Config) compare(ctx context.Context, module string, domains []string,
	ask func(ctx context.Context, module string) ([]byte, error)) (out []string) {
	text, err := ask(ctx, module)
	if err != nil { // what it printed may hold vault_token
		return []string{"'rspamadm configdump " + module + "' can't be read: " + err.Error()}
	}
	d, err := ParseDump(text)
	if err != nil {
		return []string{"'rspamadm configdump " + module + "' does not print what is understood"}
	}
	for _, one := range c.differs(module, d, domains) {
		out = append(out, one.says+", in local.d/"+module+".conf write: "+strings.TrimRight(one.write, ";")+";")
	}
	return out
}

// organisational returns the domain below which rspamd looks with use_esld.
func organisational(domain string) string {
	if org, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil {
		return org
	}
	return domain
}
