package onhost

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dkimbot/dkimbot/rotate/signer/found"
)

// Where docker-mailserver has its OpenDKIM when the directory is the same inside and outside.
const dockerOpenDKIM = "/etc/opendkim"

// findDockerMailserver finds docker-mailserver, whose OpenDKIM runs in the container.
func findDockerMailserver(h found.Host, read ReadTables) (out []found.Signer) {
	for _, config := range h.Composed("docker-data/dms/config") {
		s := finding{Signer: found.Signer{Name: "mailserver", Program: "docker-mailserver", From: config}}
		moved := h.Has(dockerOpenDKIM+"/KeyTable") && usualOpenDKIM(h) == ""
		tables, err := config+"/opendkim", error(nil)
		switch {
		case moved:
			tables = dockerOpenDKIM
		case h.Has(config+"/rspamd/dkim") && !h.Has(tables):
			s.Remark("rspamd signs there: see examples/docker-mailserver.")
			out = append(out, s.Signer)
			continue
		case usualOpenDKIM(h) != "" || h.Has(dockerOpenDKIM):
			s.Remark("its OpenDKIM has its files at " + dockerOpenDKIM + " of the container, and the host has " +
				"an OpenDKIM of its own there: see examples/docker-mailserver.")
			out = append(out, s.Signer)
			continue
		}
		if err = s.dockerDomains(h, read, tables); err != nil {
			s.Remark(err.Error() + ".")
		}
		if !moved {
			s.dockerMove(config, err == nil)
		}
		s.Set("key_dir", dockerOpenDKIM+"/keys")
		s.Set("key_table", dockerOpenDKIM+"/KeyTable")
		s.Set("signing_table", "refile:"+dockerOpenDKIM+"/SigningTable")
		s.Set("reload", strings.Fields("docker exec mailserver supervisorctl signal USR1 opendkim"))
		s.Set("milter", "inet:8891@127.0.0.1")
		out = append(out, s.Signer)
	}
	return out
}

// dockerDomains reads the domains from the tables, which name paths in the container.
func (s *finding) dockerDomains(h found.Host, read ReadTables, tables string) error {
	if !h.Has(tables + "/KeyTable") {
		return errors.New("it has no key yet: 'setup config dkim' makes one")
	}
	existing, err := read("file:"+h.At(tables+"/KeyTable"), "refile:"+h.At(tables+"/SigningTable"))
	if err != nil {
		return err
	}
	for _, name := range existing.Domains() {
		use := existing.Of(name)[0]
		at := strings.Replace(use.Path, dockerOpenDKIM, tables, 1)
		s.Domains = append(s.Domains, found.Domain{Name: name, Selector: use.Selector, Key: use.Path, Bits: h.Bits(at),
			Adopt: []string{"--from-opendkim", dockerOpenDKIM + "/KeyTable", "--signing-table",
				"refile:" + dockerOpenDKIM + "/SigningTable"}})
	}
	return nil
}

// dockerMove says how the directory comes to be the same inside and outside.
func (s *finding) dockerMove(config string, tables bool) {
	s.Before = []string{"# docker-mailserver copies its tables when the container starts. Let the host's " + dockerOpenDKIM +
		" be the container's:"}
	if tables {
		s.Before = append(s.Before, fmt.Sprintf("mv %s %s", found.Word(config+"/opendkim"), dockerOpenDKIM))
	}
	s.Before = slices.Concat(s.Before, []string{
		"chown -R root:root " + dockerOpenDKIM,
		"chmod 0755 " + dockerOpenDKIM,
		fmt.Sprintf("chmod 0644 %[1]s/KeyTable %[1]s/SigningTable %[1]s/TrustedHosts", dockerOpenDKIM),
		"chmod 0700 " + dockerOpenDKIM + "/keys",
		"# Then its compose.yaml and user-patches.sh need the lines in examples/docker-mailserver, and:",
		"docker compose up -d"})
}
