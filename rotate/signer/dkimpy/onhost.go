package dkimpy

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/signer/found"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim/onhost"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// dkimpyDir is where Debian keeps dkimpy-milter's files.
const dkimpyDir = "/etc/dkimpy-milter"

// finding is a signer while it is read.
type finding struct{ found.Signer }

// Programs are those that Find finds.
func (c *Config) Programs() []string { return []string{"dkimpy-milter"} }

// Find finds dkimpy-milter by its usual configuration, which reads like an opendkim.conf.
func (c *Config) Find(_ context.Context, h found.Host) []found.Signer {
	from := h.First(dkimpyDir+"/dkimpy-milter.conf", "/etc/dkimpy-milter.conf", "/usr/local/etc/dkimpy-milter.conf")
	if from == "" {
		return nil
	}
	s := finding{Signer: found.Signer{Name: "dkimpy-milter", Program: "dkimpy-milter", From: from}}
	conf, err := onhost.ReadConf(h, from)
	if err != nil {
		s.Remark("it can't be read: " + err.Error() + ".")
		return []found.Signer{s.Signer}
	}
	s.dkimpy(h, conf)
	return []found.Signer{s.Signer}
}

func (s *finding) dkimpy(h found.Host, c onhost.Conf) {
	if mode := strings.ToLower(c.Value("mode")); mode != "" && !strings.Contains(mode, "s") {
		s.Remark("its Mode says that it signs nothing.")
		return
	}
	keys, signing := c.Value("keytable"), c.Value("signingtable")
	switch {
	case c.Value("socket") == "":
		s.Remark("its configuration names no Socket: dkimbot asks there what it signs with.")
		return
	case keys != "" && signing != "":
		for name, value := range map[string]string{"KeyTable": keys, "SigningTable": signing} {
			if kind := onhost.DataSet(value); kind != "file" && kind != "refile" || !filepath.IsAbs(onhost.BareTable(value)) {
				s.Remark(onhost.Odd(name, value))
				return
			}
		}
		onhost.FromTables(&s.Signer, h, opendkim.ReadTables, "file:"+onhost.BareTable(keys), "refile:"+onhost.BareTable(signing))
		for i, d := range s.Domains {
			if filepath.IsAbs(d.Key) {
				s.Domains[i].Adopt = []string{"--selector", d.Selector, "--key-file", d.Key}
			}
		}
	default:
		keys, signing = s.dkimpyTables(h, c)
	}
	s.Set("key_dir", dkimpyDir+"/dkimbot-keys")
	s.Set("key_table", onhost.BareTable(keys))
	s.Set("signing_table", onhost.BareTable(signing))
	if table := c.Value("keytableed25519"); table != "" {
		s.Set("key_table_ed25519", onhost.BareTable(table))
	}
	s.Set("restart", []string{"systemctl", "restart", "dkimpy-milter"})
	s.Set("milter", c.Value("socket"))
	s.Set("owner", "root")
}

// dkimpyTables says how a dkimpy-milter with one key, or none, comes to tables, which keep key and selector.
func (s *finding) dkimpyTables(h found.Host, c onhost.Conf) (keys, signing string) {
	dir := filepath.Dir(s.From)
	keys, signing = filepath.Join(dir, "key.table"), filepath.Join(dir, "signing.table")
	for n := 1; h.Has(keys) || h.Has(signing); n++ {
		keys = filepath.Join(dir, fmt.Sprintf("dkimbot%d-key.table", n))
		signing = filepath.Join(dir, fmt.Sprintf("dkimbot%d-signing.table", n))
	}
	// it does not start with a table that is empty: this line signs nothing
	entries, rules := []string{"'none none.invalid:none:/dev/null'"}, []string{"'*@none.invalid none'"}
	file := c.Value("keyfile")
	selector, err := dkim.ParseSelector(c.Value("selector"))
	domains, strange := []string(nil), false
	if file != "" {
		domains, strange = onhost.StockDomains(&s.Signer, h, c.Value("domain"))
	}
	s.Before = []string{"# It signs without tables, if at all. dkimbot switches by writing tables, so move it to them first."}
	if file != "" && (err != nil || strange || !filepath.IsAbs(file)) {
		s.Before = append(s.Before, "# Its Domain, Selector and KeyFile are no plain names: write a line for each domain "+
			"into both tables by hand.")
		domains = nil
	}
	for _, name := range domains {
		s.Domains = append(s.Domains, found.Domain{Name: name, Selector: selector, Key: file, Bits: h.Bits(file),
			Adopt: []string{"--selector", selector, "--key-file", file}})
		record := selector + "._domainkey." + name
		entries = append(entries, found.Quoted(fmt.Sprintf("%s %s:%s:%s", record, name, selector, file)))
		rules = append(rules, found.Quoted("*@"+name+" "+record))
	}
	s.Before = append(s.Before,
		`printf '%s\n' `+strings.Join(entries, " ")+" >"+found.Word(keys),
		`printf '%s\n' `+strings.Join(rules, " ")+" >"+found.Word(signing),
		`sed -i.before -E 's/^[[:space:]]*(Domain|Selector|KeyFile)[[:space:]]/#&/I' `+found.Word(s.From),
		`printf 'KeyTable file:%s\nSigningTable refile:%s\n' `+found.Word(keys)+" "+found.Word(signing)+" >>"+found.Word(s.From),
		"systemctl restart dkimpy-milter # no mail is signed for about a second: let the mail server defer it meanwhile")
	return keys, signing
}
