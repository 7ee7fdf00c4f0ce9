package setup

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/dkimpy"
)

// dkimpyDir is where Debian keeps dkimpy-milter's files.
const dkimpyDir = "/etc/dkimpy-milter"

// findDkimpy finds dkimpy-milter by its usual configuration, which reads like an opendkim.conf.
func findDkimpy(_ context.Context, h Host) []Signer {
	from := h.first(dkimpyDir+"/dkimpy-milter.conf", "/etc/dkimpy-milter.conf", "/usr/local/etc/dkimpy-milter.conf")
	if from == "" {
		return nil
	}
	s := Signer{Name: "dkimpy-milter", Program: "dkimpy-milter", From: from}
	conf := openDKIMConf{values: map[string]string{}}
	if err := conf.read(h, from, 0); err != nil {
		s.Remarks = append(s.Remarks, "it can't be read: "+err.Error()+".")
		return []Signer{s}
	}
	s.dkimpy(h, &conf)
	return []Signer{s}
}

func (s *Signer) dkimpy(h Host, c *openDKIMConf) {
	if mode := strings.ToLower(c.values["mode"]); mode != "" && !strings.Contains(mode, "s") {
		s.Remarks = append(s.Remarks, "its Mode says that it signs nothing.")
		return
	}
	keys, signing := c.values["keytable"], c.values["signingtable"]
	switch {
	case c.values["socket"] == "":
		s.Remarks = append(s.Remarks, "its configuration names no Socket: dkimbot asks there what it signs with.")
		return
	case keys != "" && signing != "":
		for name, value := range map[string]string{"KeyTable": keys, "SigningTable": signing} {
			if kind := dataSet(value); kind != "file" && kind != "refile" || !filepath.IsAbs(bareTable(value)) {
				s.Remarks = append(s.Remarks, odd(name, value))
				return
			}
		}
		s.fromTables(h, "file:"+bareTable(keys), "refile:"+bareTable(signing))
		for i, d := range s.Domains {
			if filepath.IsAbs(d.Key) {
				s.Domains[i].Adopt = []string{"--selector", d.Selector, "--key-file", d.Key}
			}
		}
	default:
		keys, signing = s.dkimpyTables(h, c)
	}
	of := []Pair{{"driver", "dkimpy-milter"}, {"key_dir", dkimpyDir + "/dkimbot-keys"}, {"key_table", bareTable(keys)},
		{"signing_table", bareTable(signing)}}
	if table := c.values["keytableed25519"]; table != "" {
		of = append(of, Pair{"key_table_ed25519", bareTable(table)})
	}
	s.Keys = s.usable(dkimpy.Defaults(), append(of, Pair{"restart", []string{"systemctl", "restart", "dkimpy-milter"}},
		Pair{"milter", c.values["socket"]}, Pair{"owner", "root"}))
}

// dkimpyTables says how a dkimpy-milter with one key, or none, comes to tables, which keep key and selector.
func (s *Signer) dkimpyTables(h Host, c *openDKIMConf) (keys, signing string) {
	dir := filepath.Dir(s.From)
	keys, signing = filepath.Join(dir, "key.table"), filepath.Join(dir, "signing.table")
	for n := 1; h.has(keys) || h.has(signing); n++ {
		keys = filepath.Join(dir, fmt.Sprintf("dkimbot%d-key.table", n))
		signing = filepath.Join(dir, fmt.Sprintf("dkimbot%d-signing.table", n))
	}
	// it does not start with a table that is empty: this line signs nothing
	entries, rules := []string{"'none none.invalid:none:/dev/null'"}, []string{"'*@none.invalid none'"}
	file := c.values["keyfile"]
	selector, err := dkim.ParseSelector(c.values["selector"])
	domains, strange := []string(nil), false
	if file != "" {
		domains, strange = s.stockDomains(h, c.values["domain"])
	}
	s.Before = []string{"# It signs without tables, if at all. dkimbot switches by writing tables, so move it to them first."}
	if file != "" && (err != nil || strange || !filepath.IsAbs(file)) {
		s.Before = append(s.Before, "# Its Domain, Selector and KeyFile are no plain names: write a line for each domain "+
			"into both tables by hand.")
		domains = nil
	}
	for _, name := range domains {
		s.Domains = append(s.Domains, Domain{Name: name, Selector: selector, Key: file, Bits: h.bits(file),
			Adopt: []string{"--selector", selector, "--key-file", file}})
		record := selector + "._domainkey." + name
		entries = append(entries, quoted(fmt.Sprintf("%s %s:%s:%s", record, name, selector, file)))
		rules = append(rules, quoted("*@"+name+" "+record))
	}
	s.Before = append(s.Before,
		`printf '%s\n' `+strings.Join(entries, " ")+" >"+word(keys),
		`printf '%s\n' `+strings.Join(rules, " ")+" >"+word(signing),
		`sed -i.before -E 's/^[[:space:]]*(Domain|Selector|KeyFile)[[:space:]]/#&/I' `+word(s.From),
		`printf 'KeyTable file:%s\nSigningTable refile:%s\n' `+word(keys)+" "+word(signing)+" >>"+word(s.From),
		"systemctl restart dkimpy-milter # no mail is signed for about a second: let the mail server defer it meanwhile")
	return keys, signing
}
