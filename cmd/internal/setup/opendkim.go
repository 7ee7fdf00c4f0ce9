package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim"
)

// findOpenDKIM finds OpenDKIM by the programs that run and by its usual configuration.
func findOpenDKIM(_ context.Context, h Host) (out []Signer) {
	for _, d := range openDKIMs(h) {
		s := Signer{Name: "opendkim", Program: "OpenDKIM", From: d.conf, unit: d.unit}
		conf := openDKIMConf{values: map[string]string{}}
		if err := conf.read(h, d.conf, 0); err != nil {
			s.Remarks = append(s.Remarks, "it can't be read: "+err.Error()+".")
		} else {
			conf.given(d.flags)
			s.openDKIM(h, &conf)
		}
		out = append(out, s)
	}
	return out
}

// given puts what stands on the command line in the place of what the file says.
func (c *openDKIMConf) given(flags map[string]string) {
	for flag, name := range map[string]string{"-p": "socket", "-u": "userid", "-P": "pidfile", "-d": "domain",
		"-s": "selector", "-k": "keyfile"} {
		if v := flags[flag]; v != "" {
			c.values[name] = v
		}
	}
}

func (s *Signer) openDKIM(h Host, c *openDKIMConf) {
	keys, signing := c.values["keytable"], c.values["signingtable"]
	switch {
	case strings.Trim(strings.ToLower(c.values["mode"]), "v") == "" && c.values["mode"] != "":
		s.Remarks = append(s.Remarks, "its Mode says that it signs nothing.")
		return
	case keys != "" && signing != "" && bareTable(keys) == bareTable(signing):
		s.Remarks = append(s.Remarks, "its KeyTable and its SigningTable are the same file: give each one of its own.")
		return
	case keys != "" && signing != "":
		for name, value := range map[string]string{"KeyTable": keys, "SigningTable": signing} {
			kind := dataSet(value)
			if kind != "file" && kind != "refile" || !filepath.IsAbs(bareTable(value)) {
				s.Remarks = append(s.Remarks, odd(name, value))
				return
			}
		}
		if path, patterns := strings.CutPrefix(keys, "refile:"); patterns {
			keys = "file:" + path
			s.Before = []string{"# Its KeyTable is read for patterns, which dkimbot can't write. " +
				"Without patterns the file is the same:",
				"sed -i.before -E 's/^([[:space:]]*KeyTable[[:space:]]+)refile:/\\1file:/I' " + word(s.From),
				s.restart(h) + ` # and see that mail is signed`}
		}
		s.fromTables(h, keys, signing)
	case c.values["keyfile"] != "":
		keys, signing = s.withoutTables(h, c)
	default:
		keys, signing = s.newTables(h)
		s.Before = append([]string{"# It signs for no domain yet. Let it read tables, which dkimbot fills:",
			"mkdir -p " + word(filepath.Dir(keys)),
			"touch " + word(keys) + " " + word(strings.TrimPrefix(signing, "refile:"))}, s.useTables(h, keys, signing)...)
	}
	s.Keys = s.usable(opendkim.Defaults(), s.openDKIMSection(h, c, keys, signing))
}

// dataSet returns the type of a table, "file" for a bare path.
func dataSet(value string) string {
	kind, _, found := strings.Cut(value, ":")
	switch {
	case found && !strings.Contains(kind, "/"):
		return strings.ToLower(kind)
	case strings.HasPrefix(value, "/"):
		return "file"
	}
	return "csl"
}

// bareTable is a table's path without what stands before it.
func bareTable(value string) string { return filepath.Clean(value[strings.IndexByte(value, ':')+1:]) }

func odd(table, value string) string {
	return fmt.Sprintf("its %s is %s. dkimbot writes flat files: move the table to file: or refile: and a whole path, "+
		"or let 'driver: exec' run a command of your own (dkimbot-hooks(7)).", table, value)
}

// fromTables reads which domains are signed.
func (s *Signer) fromTables(h Host, keys, signing string) {
	below := func(table string) string {
		i := strings.IndexByte(table, ':') + 1
		return table[:i] + h.at(table[i:])
	}
	existing, err := opendkim.ReadExisting(below(keys), below(signing))
	if err != nil {
		s.Remarks = append(s.Remarks, err.Error()+".")
		return
	}
	for _, name := range existing.Domains() {
		use := existing.Keys(name)[0]
		s.Domains = append(s.Domains, Domain{Name: name, Selector: use.Selector, Key: cmp.Or(use.Path, "in the KeyTable"),
			Bits: h.bits(use.Path), Adopt: []string{"--from-opendkim", keys, "--signing-table", signing}})
	}
}

// bits returns the size of the RSA key in a file, 0 where that can't be found out.
func (h Host) bits(path string) int {
	if path == "" {
		return 0
	}
	text, err := h.read(path)
	if err != nil {
		return 0
	}
	key, err := dkim.ParseForeignKey(text)
	var weak *dkim.WeakKeyError
	switch {
	case errors.As(err, &weak):
		return weak.Bits
	case err != nil:
		return 0
	}
	return key.Public().Bits()
}

// newTables returns names for tables that are not there yet: what stands in old ones would win over what is written.
func (s *Signer) newTables(h Host) (keys, signing string) {
	dir := "/etc/opendkim"
	if s.From != usualOpenDKIM(h) {
		dir = filepath.Dir(s.From)
	}
	keys, signing = filepath.Join(dir, "key.table"), filepath.Join(dir, "signing.table")
	for n := 1; h.has(keys) || h.has(signing); n++ {
		keys = filepath.Join(dir, fmt.Sprintf("dkimbot%d-key.table", n))
		signing = filepath.Join(dir, fmt.Sprintf("dkimbot%d-signing.table", n))
	}
	return keys, "refile:" + signing
}

// withoutTables says how an OpenDKIM with one key comes to tables, which keep key and selector.
func (s *Signer) withoutTables(h Host, c *openDKIMConf) (keys, signing string) {
	keys, signing = s.newTables(h)
	keyFile := c.values["keyfile"]
	selector, err := dkim.ParseSelector(cmp.Or(c.values["selector"], "default"))
	if err != nil {
		s.Remarks = append(s.Remarks, "its Selector can't be used: "+err.Error()+".")
		return keys, signing
	}
	domains, odd := s.stockDomains(h, c.values["domain"])
	if odd {
		s.Before = []string{"# Domain lists what is no plain name. " +
			"Move it to tables by hand, with a line for each of its domains."}
		return keys, signing
	}
	var entries, rules []string
	for _, name := range domains {
		s.Domains = append(s.Domains, Domain{Name: name, Selector: selector, Key: keyFile, Bits: h.bits(keyFile),
			Adopt: []string{"--key-file", keyFile, "--selector", selector}})
		record := selector + "._domainkey." + name
		entries = append(entries, quoted(fmt.Sprintf("%s %s:%s:%s", record, name, selector, keyFile)))
		rules = append(rules, quoted("*@"+name+" "+record))
		if c.is("subdomains", false) {
			rules = append(rules, quoted("*@*."+name+" "+record))
		}
	}
	s.Before = []string{"# It signs with one key and without tables. dkimbot switches by writing tables, so move it to",
		"# tables first. Key and selector stay, and mail is signed all the time:",
		"mkdir -p " + word(filepath.Dir(keys)),
		`printf '%s\n' ` + strings.Join(entries, " ") + " >" + word(keys),
		`printf '%s\n' ` + strings.Join(rules, " ") + " >" + word(strings.TrimPrefix(signing, "refile:"))}
	s.Before = append(s.Before, s.useTables(h, keys, signing)...)
	return keys, signing
}

// quoted returns a text as one word of a shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

var plainPath = regexp.MustCompile(`^[A-Za-z0-9_./@%+=:,$-]+$`)

// word is quoted where a shell would not take the text as it is.
func word(text string) string {
	if plainPath.MatchString(text) && !strings.Contains(text, "$") {
		return text
	}
	return quoted(text)
}

// useTables are the commands that let OpenDKIM read tables in the place of one key.
func (s *Signer) useTables(h Host, keys, signing string) []string {
	return []string{
		`sed -i.before -E 's/^[[:space:]]*(Domain|Selector|KeyFile)[[:space:]]/#&/I' ` + word(s.From),
		`printf 'KeyTable %s\nSigningTable %s\n' ` + word(keys) + " " + word(signing) + " >>" + word(s.From),
		s.restart(h),
	}
}

// restart is the command that starts this OpenDKIM again, or says that it has to be.
func (s *Signer) restart(h Host) string {
	switch {
	case s.unit != "":
		return "systemctl restart " + word(s.unit)
	case s.From == usualOpenDKIM(h):
		return "systemctl restart opendkim"
	}
	return "# then start this OpenDKIM again"
}

// stockDomains returns what Domain lists: names with commas, or a file with a name a line. odd reports that
// something else is listed, too.
func (s *Signer) stockDomains(h Host, value string) (out []string, odd bool) {
	text := strings.TrimPrefix(value, "csl:")
	if kind := dataSet(value); kind == "file" || kind == "refile" {
		data, err := h.read(bareTable(value))
		if err != nil {
			s.Remarks = append(s.Remarks, "the domains in "+value+" can't be read: "+err.Error()+".")
			odd = true
		}
		text = string(data)
	}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(", \t\r\n", r) }) {
			name, err := dkim.ParseDomain(strings.TrimSuffix(word, "."))
			switch {
			case err != nil:
				s.Remarks = append(s.Remarks, fmt.Sprintf("Domain lists %q, which is no domain that dkimbot can list.", word))
				odd = true
			case !slices.Contains(out, name):
				out = append(out, name)
			}
		}
	}
	return out, odd || len(out) == 0
}

// openDKIMSection is what dkimbot.yaml says of an OpenDKIM.
func (s *Signer) openDKIMSection(h Host, c *openDKIMConf, keys, signing string) []Pair {
	out := []Pair{{"driver", "opendkim"}, {"key_dir", s.keyDir(h)}, {"key_table", keys}}
	if !strings.Contains(signing, ":") {
		signing = "file:" + signing // without a word before it, it is a plain file for OpenDKIM
	}
	out = append(out, Pair{"signing_table", signing})
	if user := c.values["userid"]; user != "" {
		out = append(out, Pair{"owner", user})
	} else {
		out = append(out, Pair{"owner", "root"})
	}
	out = append(out, Pair{"reload", s.reload(h, c.values["pidfile"])})
	if socket := c.values["socket"]; socket != "" {
		out = append(out, Pair{"milter", socket})
	}
	if !c.is("requiresafekeys", true) {
		out = append(out, Pair{"allow_unsafe_keys", true})
	}
	return out
}

// keyDir is where dkimbot's key files go: the directory that the system's packages have for them, and
// for a second OpenDKIM one of its own, since both tidy theirs.
func (s *Signer) keyDir(h Host) string {
	usual := cmp.Or(h.first("/etc/dkimkeys", "/etc/opendkim/keys"), "/etc/dkimkeys")
	if s.From == usualOpenDKIM(h) {
		return usual
	}
	name := strings.TrimSuffix(filepath.Base(s.From), ".conf")
	return filepath.Join(filepath.Dir(s.From), strings.TrimSuffix("dkimbot-keys-"+name, "-opendkim"))
}

// reload is the command that lets OpenDKIM read its tables again: by the unit that started it. Of one that does not
// run, the service's unit starts the one with the usual configuration.
func (s *Signer) reload(h Host, pidFile string) []string {
	unit := h.first("/etc/systemd/system/opendkim.service", "/lib/systemd/system/opendkim.service",
		"/usr/lib/systemd/system/opendkim.service")
	switch {
	case s.unit != "" && h.reloads(s.unit):
		return []string{"systemctl", "reload", s.unit}
	case s.unit != "":
		s.Remarks = append(s.Remarks, "its unit "+s.unit+" has no ExecReload: give it "+
			"'ExecReload=/bin/kill -USR1 $MAINPID', and write systemctl reload; dkimbot's own user may be allowed that.")
		return []string{"systemctl", "kill", "--signal=USR1", "--kill-who=main", s.unit}
	case unit != "" && s.From == usualOpenDKIM(h):
		return []string{"systemctl", "reload", "opendkim"}
	case filepath.IsAbs(pidFile) && !strings.ContainsFunc(pidFile, unicode.IsControl):
		s.Remarks = append(s.Remarks, "its reload is by a signal, which only root and its own user may send: "+
			"where dkimbot runs "+
			"as a user of its own, let a unit of OpenDKIM's do it (systemctl reload UNIT).")
		return []string{"pkill", "-USR1", "-F", pidFile}
	}
	s.Remarks = append(s.Remarks, "it has no PidFile: see whether the reload command reaches it and no other OpenDKIM.")
	return []string{"pkill", "-USR1", "-x", "opendkim"}
}
