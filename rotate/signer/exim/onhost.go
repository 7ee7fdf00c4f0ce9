package exim

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/signer/found"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// finding is a signer while it is read.
type finding struct{ found.Signer }

// Programs are those that Find finds.
func (c *Config) Programs() []string { return []string{"Exim"} }

// Find asks Exim for its configuration: its own language of macros and includes is best read by itself.
func (c *Config) Find(ctx context.Context, h found.Host) []found.Signer {
	program := h.First("/usr/sbin/exim4", "/usr/sbin/exim", "/usr/local/sbin/exim4", "/usr/local/sbin/exim",
		"/usr/exim/bin/exim")
	if program == "" {
		return nil
	}
	s := finding{Signer: found.Signer{Name: "exim", Program: "Exim", From: program}}
	if h.Ask == nil {
		s.Remark("its configuration is read by Exim itself: run 'dkimbot init' on that host.")
		return []found.Signer{s.Signer}
	}
	out, err := h.Ask(ctx, program, "-bP", "transports")
	if err != nil {
		s.Remark(fmt.Sprintf("'%s -bP transports' has failed: %v. "+
			"Run this as root, and see what it says; then run 'dkimbot init' as root.", program, err))
		return []found.Signer{s.Signer}
	}
	user, _ := h.Ask(ctx, program, "-bP", "exim_user") // Debian's, where it does not say
	_, owner, _ := strings.Cut(strings.TrimSpace(string(user)), " = ")
	signing := signingTransports(out)
	if len(signing) == 0 {
		return nil // it signs nothing: something else does, if anything
	}
	s.exim(h, signing, cmp.Or(strings.TrimSpace(owner), "Debian-exim"))
	return []found.Signer{s.Signer}
}

// transport is one of Exim's that signs.
type transport struct{ name, domain, selector, key string }

// signingTransports reads what 'exim -bP transports' prints.
func signingTransports(out []byte) (all []transport) {
	var t transport
	done := func() {
		if t.key != "" {
			all = append(all, t)
		}
	}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		line := lines.Text()
		if name, found := strings.CutSuffix(line, " transport:"); found {
			done()
			t = transport{name: name}
			continue
		}
		key, value, _ := strings.Cut(line, " = ")
		switch key {
		case "dkim_domain":
			t.domain = strings.TrimSpace(value)
		case "dkim_selector":
			t.selector = strings.TrimSpace(value)
		case "dkim_private_key":
			t.key = strings.TrimSpace(value)
		}
	}
	done()
	return all
}

// lookedUp finds the file that a value of a name is looked up in, where it is looked up as dkimbot writes it.
func lookedUp(value, name string) string {
	form := regexp.MustCompile(`^\$\{extract\s*\{` + name +
		`\}\s*\{\s*\$\{lookup\s*\{\$dkim_domain\}\s*lsearch\{([^{}$]+)\}\s*\}\s*\}\s*\}$`)
	if found := form.FindStringSubmatch(value); found != nil {
		return strings.TrimSpace(found[1])
	}
	return ""
}

// table is the lookup file that gives both selector and key of a transport; "" for none.
func (t transport) table() string {
	if at := lookedUp(t.selector, "selector"); at == lookedUp(t.key, "privkey") {
		return at
	}
	return ""
}

// exim reads transports. All that read one lookup file are one signer; what else signs has to come to that file first.
func (s *finding) exim(h found.Host, signing []transport, owner string) {
	dir := cmp.Or(h.First("/etc/exim4", "/etc/exim"), "/etc/exim4")
	table := ""
	for _, t := range signing {
		table = cmp.Or(table, t.table())
	}
	if table != "" {
		s.eximTable(h, table)
	}
	at := table
	for n := 0; at == "" || table == "" && h.Has(at); n++ {
		at = filepath.Join(dir, "dkim"+strings.Repeat("-dkimbot", n)+".table")
	}
	for _, t := range signing {
		if t.table() != at {
			s.eximFixed(h, t, at)
		}
	}
	s.Set("key_dir", filepath.Join(dir, "dkim"))
	s.Set("table", at)
	s.Set("owner", owner)
}

func (s *finding) eximTable(h found.Host, table string) {
	keys, err := ReadExisting(h.At(table))
	if err != nil {
		s.Remark(err.Error() + ".")
	}
	for _, k := range keys {
		s.Domains = append(s.Domains, found.Domain{Name: k.Domain, Selector: k.Selector, Key: k.Path, Bits: h.Bits(k.Path),
			Adopt: []string{"--key-file", k.Path, "--selector", k.Selector}})
	}
}

// eximFixed says how a transport that does not look its key up in a file comes to it.
func (s *finding) eximFixed(h found.Host, t transport, table string) {
	if len(s.Before) == 0 {
		s.Before = []string{"# dkimbot switches Exim by writing a lookup file. Let each transport that signs read it; " +
			"key and selector stay."}
	}
	domain, errDomain := dkim.ParseDomain(t.domain)
	selector, errSelector := dkim.ParseSelector(t.selector)
	if errDomain == nil && errSelector == nil { // what is looked up is not expanded again
		t.key = strings.NewReplacer("${dkim_domain}", domain, "$dkim_domain", domain, "${dkim_selector}", selector,
			"$dkim_selector", selector).Replace(t.key)
	}
	known := slices.ContainsFunc(s.Domains, func(d found.Domain) bool { return d.Name == domain })
	switch {
	case errDomain != nil || errSelector != nil || !filepath.IsAbs(t.key) || strings.Contains(t.key, "$"):
		s.Before = append(s.Before, "# Write a line for each domain of the transport "+t.name+" into "+table+":",
			"#   example.com: selector=mail privkey=/path/of/the/key.pem")
	case !known:
		s.Domains = append(s.Domains, found.Domain{Name: domain, Selector: selector, Key: t.key, Bits: h.Bits(t.key),
			Adopt: []string{"--key-file", t.key, "--selector", selector}})
		s.Before = append(s.Before, fmt.Sprintf("echo %s >>%s",
			found.Quoted(fmt.Sprintf("%s: selector=%s privkey=%s", domain, selector, t.key)), found.Word(table)),
			"# The transport signs mail of every sender as "+domain+" today. Then it signs that of "+domain+" only.")
	}
	s.Before = append(s.Before, "# Then, in the transport "+t.name+", in the place of its dkim_ values:")
	for _, line := range Transport(table) {
		s.Before = append(s.Before, "#   "+line)
	}
	s.Before = append(s.Before, "# and let Exim read its configuration again, this once.")
}
