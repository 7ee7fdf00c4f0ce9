// Package onhost finds OpenDKIM on a host, and reads its configuration, which dkimpy-milter's is like.
package onhost

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/dkimbot/dkimbot/rotate/signer/existing"
	"github.com/dkimbot/dkimbot/rotate/signer/found"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// ReadTables reads a KeyTable and a SigningTable, named as opendkim.conf names them.
type ReadTables func(keyTable, signingTable string) (existing.Keys, error)

// Find finds OpenDKIM, and the one of docker-mailserver.
func Find(h found.Host, read ReadTables) []found.Signer {
	return append(findOpenDKIM(h, read), findDockerMailserver(h, read)...)
}

// finding is an OpenDKIM while it is read.
type finding struct {
	found.Signer
	unit string // of systemd, that started it; "" when that is not known
}

// findOpenDKIM finds OpenDKIM by the programs that run and by its usual configuration.
func findOpenDKIM(h found.Host, read ReadTables) (out []found.Signer) {
	for _, d := range openDKIMs(h) {
		s := finding{Signer: found.Signer{Name: "opendkim", Program: "OpenDKIM", From: d.conf}, unit: d.unit}
		conf, err := ReadConf(h, d.conf)
		if err != nil {
			s.Remark("it can't be read: " + err.Error() + ".")
		} else {
			conf.given(d.flags)
			s.openDKIM(h, &conf, read)
		}
		out = append(out, s.Signer)
	}
	return out
}

// given puts what stands on the command line in the place of what the file says.
func (c *Conf) given(flags map[string]string) {
	for flag, name := range map[string]string{"-p": "socket", "-u": "userid", "-P": "pidfile", "-d": "domain",
		"-s": "selector", "-k": "keyfile"} {
		if v := flags[flag]; v != "" {
			c.values[name] = v
		}
	}
}

func (s *finding) openDKIM(h found.Host, c *Conf, read ReadTables) {
	keys, signing := c.values["keytable"], c.values["signingtable"]
	switch {
	case strings.Trim(strings.ToLower(c.values["mode"]), "v") == "" && c.values["mode"] != "":
		s.Remark("its Mode says that it signs nothing.")
		return
	case keys != "" && signing != "" && BareTable(keys) == BareTable(signing):
		s.Remark("its KeyTable and its SigningTable are the same file: give each one of its own.")
		return
	case keys != "" && signing != "":
		for name, value := range map[string]string{"KeyTable": keys, "SigningTable": signing} {
			kind := DataSet(value)
			if kind != "file" && kind != "refile" || !filepath.IsAbs(BareTable(value)) {
				s.Remark(Odd(name, value))
				return
			}
		}
		if path, patterns := strings.CutPrefix(keys, "refile:"); patterns {
			keys = "file:" + path
			s.Before = []string{"# Its KeyTable is read for patterns, which dkimbot can't write. " +
				"Without patterns the file is the same:",
				"sed -i.before -E 's/^([[:space:]]*KeyTable[[:space:]]+)refile:/\\1file:/I' " + found.Word(s.From),
				s.restart(h) + ` # and see that mail is signed`}
		}
		FromTables(&s.Signer, h, read, keys, signing)
	case c.values["keyfile"] != "":
		keys, signing = s.withoutTables(h, c)
	default:
		keys, signing = s.newTables(h)
		s.Before = append([]string{"# It signs for no domain yet. Let it read tables, which dkimbot fills:",
			"mkdir -p " + found.Word(filepath.Dir(keys)),
			"touch " + found.Word(keys) + " " + found.Word(strings.TrimPrefix(signing, "refile:"))}, s.useTables(h, keys, signing)...)
	}
	s.section(h, c, keys, signing)
}

// newTables returns names for tables that are not there yet: what stands in old ones would win over what is written.
func (s *finding) newTables(h found.Host) (keys, signing string) {
	dir := "/etc/opendkim"
	if s.From != usualOpenDKIM(h) {
		dir = filepath.Dir(s.From)
	}
	keys, signing = filepath.Join(dir, "key.table"), filepath.Join(dir, "signing.table")
	for n := 1; h.Has(keys) || h.Has(signing); n++ {
		keys = filepath.Join(dir, fmt.Sprintf("dkimbot%d-key.table", n))
		signing = filepath.Join(dir, fmt.Sprintf("dkimbot%d-signing.table", n))
	}
	return keys, "refile:" + signing
}

// withoutTables says how an OpenDKIM with one key comes to tables, which keep key and selector.
func (s *finding) withoutTables(h found.Host, c *Conf) (keys, signing string) {
	keys, signing = s.newTables(h)
	keyFile := c.values["keyfile"]
	selector, err := dkim.ParseSelector(cmp.Or(c.values["selector"], "default"))
	if err != nil {
		s.Remark("its Selector can't be used: " + err.Error() + ".")
		return keys, signing
	}
	domains, odd := StockDomains(&s.Signer, h, c.values["domain"])
	if odd {
		s.Before = []string{"# Domain lists what is no plain name. " +
			"Move it to tables by hand, with a line for each of its domains."}
		return keys, signing
	}
	var entries, rules []string
	for _, name := range domains {
		s.Domains = append(s.Domains, found.Domain{Name: name, Selector: selector, Key: keyFile, Bits: h.Bits(keyFile),
			Adopt: []string{"--key-file", keyFile, "--selector", selector}})
		record := selector + "._domainkey." + name
		entries = append(entries, found.Quoted(fmt.Sprintf("%s %s:%s:%s", record, name, selector, keyFile)))
		rules = append(rules, found.Quoted("*@"+name+" "+record))
		if c.is("subdomains", false) {
			rules = append(rules, found.Quoted("*@*."+name+" "+record))
		}
	}
	s.Before = []string{"# It signs with one key and without tables. dkimbot switches by writing tables, so move it to",
		"# tables first. Key and selector stay, and mail is signed all the time:",
		"mkdir -p " + found.Word(filepath.Dir(keys)),
		`printf '%s\n' ` + strings.Join(entries, " ") + " >" + found.Word(keys),
		`printf '%s\n' ` + strings.Join(rules, " ") + " >" + found.Word(strings.TrimPrefix(signing, "refile:"))}
	s.Before = append(s.Before, s.useTables(h, keys, signing)...)
	return keys, signing
}

// useTables are the commands that let OpenDKIM read tables in the place of one key.
func (s *finding) useTables(h found.Host, keys, signing string) []string {
	return []string{
		`sed -i.before -E 's/^[[:space:]]*(Domain|Selector|KeyFile)[[:space:]]/#&/I' ` + found.Word(s.From),
		`printf 'KeyTable %s\nSigningTable %s\n' ` + found.Word(keys) + " " + found.Word(signing) + " >>" + found.Word(s.From),
		s.restart(h),
	}
}

// restart is the command that starts this OpenDKIM again, or says that it has to be.
func (s *finding) restart(h found.Host) string {
	switch {
	case s.unit != "":
		return "systemctl restart " + found.Word(s.unit)
	case s.From == usualOpenDKIM(h):
		return "systemctl restart opendkim"
	}
	return "# then start this OpenDKIM again"
}

// section says what dkimbot.yaml says of it.
func (s *finding) section(h found.Host, c *Conf, keys, signing string) {
	s.Set("key_dir", s.keyDir(h))
	s.Set("key_table", keys)
	if !strings.Contains(signing, ":") {
		signing = "file:" + signing // without a word before it, it is a plain file for OpenDKIM
	}
	s.Set("signing_table", signing)
	s.Set("owner", cmp.Or(c.values["userid"], "root"))
	s.Set("reload", s.reload(h, c.values["pidfile"]))
	if socket := c.values["socket"]; socket != "" {
		s.Set("milter", socket)
	}
	if !c.is("requiresafekeys", true) {
		s.Set("allow_unsafe_keys", true)
	}
}

// keyDir is where dkimbot's key files go: the directory that the system's packages have for them, and
// for a second OpenDKIM one of its own, since both tidy theirs.
func (s *finding) keyDir(h found.Host) string {
	usual := cmp.Or(h.First("/etc/dkimkeys", "/etc/opendkim/keys"), "/etc/dkimkeys")
	if s.From == usualOpenDKIM(h) {
		return usual
	}
	name := strings.TrimSuffix(filepath.Base(s.From), ".conf")
	return filepath.Join(filepath.Dir(s.From), strings.TrimSuffix("dkimbot-keys-"+name, "-opendkim"))
}

// reload is the command that lets OpenDKIM read its tables again: by the unit that started it. Of one that does not
// run, the service's unit starts the one with the usual configuration.
func (s *finding) reload(h found.Host, pidFile string) []string {
	unit := h.First("/etc/systemd/system/opendkim.service", "/lib/systemd/system/opendkim.service",
		"/usr/lib/systemd/system/opendkim.service")
	switch {
	case s.unit != "" && h.Reloads(s.unit):
		return []string{"systemctl", "reload", s.unit}
	case s.unit != "":
		s.Remark("its unit " + s.unit + " has no ExecReload: give it " +
			"'ExecReload=/bin/kill -USR1 $MAINPID', and write systemctl reload; dkimbot's own user may be allowed that.")
		return []string{"systemctl", "kill", "--signal=USR1", "--kill-who=main", s.unit}
	case unit != "" && s.From == usualOpenDKIM(h):
		return []string{"systemctl", "reload", "opendkim"}
	case filepath.IsAbs(pidFile) && !strings.ContainsFunc(pidFile, unicode.IsControl):
		s.Remark("its reload is by a signal, which only root and its own user may send: " +
			"where dkimbot runs " +
			"as a user of its own, let a unit of OpenDKIM's do it (systemctl reload UNIT).")
		return []string{"pkill", "-USR1", "-F", pidFile}
	}
	s.Remark("it has no PidFile: see whether the reload command reaches it and no other OpenDKIM.")
	return []string{"pkill", "-USR1", "-x", "opendkim"}
}
