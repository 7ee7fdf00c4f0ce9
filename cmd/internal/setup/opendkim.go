package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/dkimbot/dkimbot/rotate/dkim"
	"github.com/dkimbot/dkimbot/rotate/signer/opendkim"
)

// findOpenDKIM finds OpenDKIM by the programs that run and by its usual configuration.
func findOpenDKIM(_ context.Context, h Host) (out []Signer) {
	paths, options := openDKIMConfs(h)
	for _, path := range paths {
		s := Signer{Name: "opendkim", Program: "OpenDKIM", From: path}
		conf := openDKIMConf{values: map[string]string{}}
		if err := conf.read(h, path, 0); err != nil {
			s.Remarks = append(s.Remarks, "it can't be read: "+err.Error()+". Run 'dkimbot init' as root.")
		} else {
			conf.given(options[path])
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
		s.fromTables(h, keys, signing)
	case c.values["keyfile"] != "":
		keys, signing = s.withoutTables(h, c)
	default:
		keys, signing = "/etc/opendkim/key.table", "refile:/etc/opendkim/signing.table"
		s.Before = append([]string{"# It signs for no domain yet. Let it read tables, which dkimbot fills:",
			"mkdir -p " + filepath.Dir(keys)}, useTables(s.From, keys, signing)...)
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

// bits returns the size of the RSA key in a file, 0 where that can't be told.
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

// withoutTables says how an OpenDKIM with one key comes to tables, which keep key and selector.
func (s *Signer) withoutTables(h Host, c *openDKIMConf) (keys, signing string) {
	keys, signing = "/etc/opendkim/key.table", "refile:/etc/opendkim/signing.table"
	file := strings.TrimPrefix(signing, "refile:")
	keyFile := c.values["keyfile"]
	selector, err := dkim.ParseSelector(cmp.Or(c.values["selector"], "default"))
	if err != nil {
		s.Remarks = append(s.Remarks, "its Selector can't be used: "+err.Error()+".")
		return keys, signing
	}
	s.Before = []string{"# It signs with one key and without tables. dkimbot switches by writing tables, so move it to",
		"# tables first. Key and selector stay, and mail is signed all the time:"}
	var lines []string
	for _, name := range s.stockDomains(h, c.values["domain"]) {
		s.Domains = append(s.Domains, Domain{Name: name, Selector: selector, Key: keyFile, Bits: h.bits(keyFile),
			Adopt: []string{"--key-file", keyFile, "--selector", selector}})
		record := selector + "._domainkey." + name
		lines = append(lines,
			fmt.Sprintf("echo %s >>%s", quoted(fmt.Sprintf("%s %s:%s:%s", record, name, selector, keyFile)), keys),
			fmt.Sprintf("echo '*@%s %s' >>%s", name, record, file))
		if c.is("subdomains", false) {
			lines = append(lines, fmt.Sprintf("echo '*@*.%s %s' >>%s", name, record, file))
		}
	}
	s.Before = slices.Concat(s.Before, []string{"mkdir -p " + filepath.Dir(keys)}, lines, useTables(s.From, keys, signing))
	return keys, signing
}

// quoted returns a text as one word of a shell.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// useTables are the commands that let OpenDKIM read tables in the place of one key.
func useTables(conf, keys, signing string) []string {
	return []string{
		"touch " + keys + " " + strings.TrimPrefix(signing, "refile:"),
		`sed -i.before -E 's/^[[:space:]]*(Domain|Selector|KeyFile)[[:space:]]/#&/I' ` + conf,
		fmt.Sprintf(`printf 'KeyTable %s\nSigningTable %s\n' >>%s`, keys, signing, conf),
		"systemctl restart opendkim",
	}
}

// stockDomains returns what Domain lists: names with commas, or a file with a name a line.
func (s *Signer) stockDomains(h Host, value string) (out []string) {
	text := strings.TrimPrefix(value, "csl:")
	if kind := dataSet(value); kind == "file" || kind == "refile" {
		data, err := h.read(bareTable(value))
		if err != nil {
			s.Remarks = append(s.Remarks, "the domains in "+value+" can't be read: "+err.Error()+".")
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
			case !slices.Contains(out, name):
				out = append(out, name)
			}
		}
	}
	return out
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
	return filepath.Join(filepath.Dir(s.From), "dkimbot-keys")
}

// reload is the command that lets OpenDKIM read its tables again. The service's unit starts the one
// with the usual configuration.
func (s *Signer) reload(h Host, pidFile string) []string {
	unit := h.first("/etc/systemd/system/opendkim.service", "/lib/systemd/system/opendkim.service",
		"/usr/lib/systemd/system/opendkim.service")
	switch {
	case unit != "" && s.From == usualOpenDKIM(h):
		return []string{"systemctl", "reload", "opendkim"}
	case filepath.IsAbs(pidFile) && !strings.ContainsFunc(pidFile, unicode.IsControl):
		return []string{"pkill", "-USR1", "-F", pidFile}
	}
	s.Remarks = append(s.Remarks, "it has no PidFile: see whether the reload command reaches it and no other OpenDKIM.")
	return []string{"pkill", "-USR1", "-x", "opendkim"}
}
