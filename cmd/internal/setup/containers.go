package setup

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/signer/opendkim"
	"github.com/dkimbot/dkimbot/rotate/signer/rspamd"
)

// Mail systems in containers are found by their folders on the host. Only directories in which nobody but root
// usually writes are looked at: the commands that are shown are for root.
var composeDirs = []string{"/opt", "/srv", "/root"}

// composed returns the paths of a name that stand below the directories or in a directory of theirs.
func composed(h Host, name string) (out []string) {
	for _, dir := range composeDirs {
		for _, pattern := range []string{h.at(dir), h.at(dir) + "/*"} {
			found, _ := filepath.Glob(filepath.Join(pattern, name)) // the pattern is right
			for _, path := range found {
				path = filepath.Clean("/" + strings.TrimPrefix(path, filepath.Clean(h.Root)))
				if plainPath.MatchString(path) && !slices.Contains(out, path) {
					out = append(out, path)
				}
			}
		}
	}
	return out
}

// findMailcow finds mailcow, whose rspamd asks Redis.
func findMailcow(_ context.Context, h Host) (out []Signer) {
	for _, from := range composed(h, "mailcow.conf") {
		s := Signer{Name: "mailcow", Program: "mailcow", From: from}
		conf, err := h.readTrusted(from)
		if err != nil {
			s.Remarks = append(s.Remarks, "it can't be read: "+err.Error()+".")
			out = append(out, s)
			continue
		}
		redis, password := "127.0.0.1:7654", false
		for line := range strings.Lines(string(conf)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			switch {
			case name == "REDIS_PORT" && strings.Contains(value, ":"):
				redis = value
			case name == "REDIS_PORT" && value != "":
				redis = "127.0.0.1:" + value
			case name == "REDISPASS":
				password = value != ""
			}
		}
		keys := []Pair{{"driver", "rspamd"}, {"source", "redis"}, {"preset", "mailcow"}, {"redis", redis}}
		if at := "/etc/dkimbot/redis.password"; password && h.has(at) {
			keys = append(keys, Pair{"password_file", at})
		} else if password {
			keys = append(keys, Pair{"# password_file", at})
			s.Before = append(s.Before, "# Its Redis wants a password. Put that into a file, and take the # from password_file:",
				"install -m 600 /dev/null "+at, "sed -n 's/^REDISPASS=//p' "+word(from)+" >"+at)
		}
		s.Remarks = append(s.Remarks, "its domains stand in Redis, each with its selector: "+
			"'redis-cli -p PORT hgetall DKIM_SELECTORS' lists them; examples/mailcow says how a key is kept.")
		s.Keys = s.usable(rspamd.Defaults(), keys)
		out = append(out, s)
	}
	return out
}

// Where docker-mailserver has its OpenDKIM when the directory is the same inside and outside.
const dockerOpenDKIM = "/etc/opendkim"

// findDockerMailserver finds docker-mailserver, whose OpenDKIM runs in the container.
func findDockerMailserver(_ context.Context, h Host) (out []Signer) {
	for _, config := range composed(h, "docker-data/dms/config") {
		s := Signer{Name: "mailserver", Program: "docker-mailserver", From: config}
		moved := h.has(dockerOpenDKIM+"/KeyTable") && usualOpenDKIM(h) == ""
		tables, err := config+"/opendkim", error(nil)
		switch {
		case moved:
			tables = dockerOpenDKIM
		case h.has(config+"/rspamd/dkim") && !h.has(tables):
			s.Remarks = append(s.Remarks, "rspamd signs there: see examples/docker-mailserver.")
			out = append(out, s)
			continue
		case usualOpenDKIM(h) != "" || h.has(dockerOpenDKIM):
			s.Remarks = append(s.Remarks, "its OpenDKIM has its files at "+dockerOpenDKIM+" of the container, and the host has "+
				"an OpenDKIM of its own there: see examples/docker-mailserver.")
			out = append(out, s)
			continue
		}
		if err = s.dockerDomains(h, tables); err != nil {
			s.Remarks = append(s.Remarks, err.Error()+".")
		}
		if !moved {
			s.dockerMove(config, err == nil)
		}
		s.Keys = s.usable(opendkim.Defaults(), []Pair{{"driver", "opendkim"}, {"key_dir", dockerOpenDKIM + "/keys"},
			{"key_table", dockerOpenDKIM + "/KeyTable"}, {"signing_table", "refile:" + dockerOpenDKIM + "/SigningTable"},
			{"reload", strings.Fields("docker exec mailserver supervisorctl signal USR1 opendkim")},
			{"milter", "inet:8891@127.0.0.1"}})
		out = append(out, s)
	}
	return out
}

// dockerDomains reads the domains from the tables, which name paths in the container.
func (s *Signer) dockerDomains(h Host, tables string) error {
	if !h.has(tables + "/KeyTable") {
		return errors.New("it has no key yet: 'setup config dkim' makes one")
	}
	existing, err := opendkim.ReadExisting("file:"+h.at(tables+"/KeyTable"), "refile:"+h.at(tables+"/SigningTable"))
	if err != nil {
		return err
	}
	for _, name := range existing.Domains() {
		use := existing.Keys(name)[0]
		at := strings.Replace(use.Path, dockerOpenDKIM, tables, 1)
		s.Domains = append(s.Domains, Domain{Name: name, Selector: use.Selector, Key: use.Path, Bits: h.bits(at),
			Adopt: []string{"--from-opendkim", dockerOpenDKIM + "/KeyTable", "--signing-table",
				"refile:" + dockerOpenDKIM + "/SigningTable"}})
	}
	return nil
}

// dockerMove says how the directory comes to be the same inside and outside.
func (s *Signer) dockerMove(config string, tables bool) {
	s.Before = []string{"# docker-mailserver copies its tables when the container starts. Let the host's " + dockerOpenDKIM +
		" be the container's:"}
	if tables {
		s.Before = append(s.Before, fmt.Sprintf("mv %s %s", word(config+"/opendkim"), dockerOpenDKIM))
	}
	s.Before = slices.Concat(s.Before, []string{
		"chown -R root:root " + dockerOpenDKIM,
		"chmod 0755 " + dockerOpenDKIM,
		fmt.Sprintf("chmod 0644 %[1]s/KeyTable %[1]s/SigningTable %[1]s/TrustedHosts", dockerOpenDKIM),
		"chmod 0700 " + dockerOpenDKIM + "/keys",
		"# Then its compose.yaml and user-patches.sh need the lines in examples/docker-mailserver, and:",
		"docker compose up -d"})
}
