package setup

import (
	"slices"
	"strings"
	"testing"
)

// TestOtherSigners: what signs, for which domains, and what has to be done first is found of each program; what is made
// of it is valid.
func TestOtherSigners(t *testing.T) {
	key := keyOf(t, 2048)
	dkimpy := "/etc/dkimpy-milter/dkimpy-milter.conf"
	haraka, kumo := "/etc/haraka/config", "/opt/kumomta/etc/policy"
	dms, dmsAt := "/opt/mail/docker-data/dms/config", "/etc/opendkim"
	for name, test := range map[string]struct {
		files  map[string]string
		none   bool
		remark string
		before string   // among the steps
		ready  bool     // there are none
		has    []string // of the configuration
	}{
		"dkimpy-milter with tables": {
			files: map[string]string{dkimpy: "Mode sv\nSocket inet:8892@localhost\nKeyTable file:/etc/k.table\n" +
				"SigningTable refile:/etc/s.table\nKeyTableEd25519 file:/etc/e.table\n",
				"/etc/k.table": "k1 example.com:mail:/etc/k/mail.private\n", "/etc/s.table": "*@example.com k1\n",
				"/etc/k/mail.private": key}, ready: true,
			has: []string{"driver: dkimpy-milter", "key_table: /etc/k.table\n", "signing_table: /etc/s.table\n",
				"key_table_ed25519: /etc/e.table\n", "milter: inet:8892@localhost\n", "owner: root\n",
				"signed with mail, /etc/k/mail.private, 2048 bits", "--selector mail --key-file /etc/k/mail.private"}},
		"dkimpy-milter with one key": {
			files: map[string]string{dkimpy: "Socket local:/run/d.sock\nDomain example.com, example.org\nSelector mail\n" +
				"KeyFile /etc/k/mail.private\n", "/etc/dkimpy-milter/key.table": ""},
			before: `printf '%s\n' 'none none.invalid:none:/dev/null' 'mail._domainkey.example.com ` +
				`example.com:mail:/etc/k/mail.private' 'mail._domainkey.example.org example.org:mail:/etc/k/mail.private' ` +
				`>/etc/dkimpy-milter/dkimbot1-key.table`,
			has: []string{"key_table: /etc/dkimpy-milter/dkimbot1-key.table\n", "name: example.org"}},
		"dkimpy-milter for nobody": {files: map[string]string{dkimpy: "Socket local:/run/d.sock\n"},
			before: `printf '%s\n' '*@none.invalid none' >/etc/dkimpy-milter/signing.table`, has: []string{"dkimpy-milter"}},
		"dkimpy-milter with a list of files": {files: map[string]string{dkimpy: "Socket local:/run/d.sock\nKeyFile mail\n"},
			before: "by hand", has: []string{"driver: dkimpy-milter"}},
		"dkimpy-milter that verifies": {files: map[string]string{dkimpy: "Mode v\n"}, remark: "signs nothing", ready: true},
		"dkimpy-milter without a socket": {files: map[string]string{dkimpy: "Mode s\n"}, remark: "names no Socket",
			ready: true},
		"dkimpy-milter with a database": {files: map[string]string{dkimpy: "Socket local:/x\nKeyTable dsn:x\n" +
			"SigningTable /s\n"}, remark: "its KeyTable is dsn:x", ready: true},
		"Haraka": {
			files: map[string]string{haraka + "/smtp.ini": "; user=none\nport=25\nuser=mail\n[x]\nuser=no\n",
				haraka + "/plugins": "tls\ndkim\n", haraka + "/dkim.ini": "[verify]\nenabled=false\n[sign]\nenabled=true\n",
				haraka + "/dkim/example.com/private": key, haraka + "/dkim/example.com/selector": "mail\n",
				haraka + "/dkim/odd/private": key}, ready: true, remark: "/etc/haraka/config/dkim/odd is not that of a domain",
			has: []string{"driver: haraka", "config: /etc/haraka/config\n", "owner: mail\n",
				"signed with mail, /etc/haraka/config/dkim/example.com/private, 2048 bits"}},
		"Haraka without its plugin": {
			files:  map[string]string{haraka + "/smtp.ini": "", haraka + "/plugins": "# dkim\n", haraka + "/smtp.yaml": ""},
			before: "Let its dkim plugin sign", has: []string{"driver: haraka", "owner: root\n", "write what it holds as smtp.json",
				"install -d -m 755 /etc/haraka/config/dkim"}},
		"Haraka that can't be read": {files: map[string]string{haraka + "/smtp.ini": ""}, remark: "plugins can't be read",
			ready: true},
		"maddy": {
			files: map[string]string{"/etc/maddy/maddy.conf": "dkim $(primary_domain)\n",
				"/var/lib/maddy/dkim_keys/example.com_default.key": key, "/var/lib/maddy/dkim_keys/odd.key": key},
			remark: `its key file "odd.key"`,
			before: "install -o maddy -m 600 /var/lib/maddy/dkim_keys/example.com_default.key " +
				"/etc/maddy/dkimbot-keys/example.com_default.1.key",
			has: []string{"driver: maddy", "ask: 127.0.0.1:2526\n", "owner: maddy\n", "restart: [systemctl, restart, maddy]",
				"signed with default, /var/lib/maddy/dkim_keys/example.com_default.key, 2048 bits",
				"--key-file /etc/maddy/dkimbot-keys/example.com_default.1.key"}},
		"maddy that imports": {
			files: map[string]string{"/etc/maddy/maddy.conf": "smtp tcp://0.0.0.0:25 {\n    tls off\n}\n" +
				"modifiers dkimbot {\n    import /etc/maddy/dkimbot.conf\n}\nsmtp tcp://127.0.0.1:2599 {\n    tls off\n" +
				"    modify &dkimbot\n    deliver_to lmtp unix:///run/dkimbot-maddy/answer.sock\n}\n"},
			ready: true, has: []string{"ask: 127.0.0.1:2599\n"}},
		"KumoMTA": {
			files: map[string]string{kumo + "/init.lua": "kumo", kumo + "/dkim_data.toml": "[base]\nselector = \"mail\"\n" +
				"[domain.\"example.com\"]\n[domain.\"example.org\"]\nselector = \"s9\"\nfilename = \"/k/s9\"\n" +
				"[domain.\"-\"]\n", "/opt/kumomta/etc/dkim/example.com/mail.key": key},
			remark: `a table of "-"`, before: "install -m 644 /dev/null /opt/kumomta/etc/policy/dkimbot.toml",
			has: []string{"driver: kumomta", "file: /opt/kumomta/etc/policy/dkimbot.toml\n", "owner: kumod\n",
				"signed with mail, /opt/kumomta/etc/dkim/example.com/mail.key, 2048 bits", "signed with s9, /k/s9"}},
		"KumoMTA with dkimbot's file": {files: map[string]string{kumo + "/init.lua": kumo + "/dkimbot.toml"}, ready: true,
			has: []string{"driver: kumomta"}},
		"KumoMTA with Vault": {
			files: map[string]string{kumo + "/init.lua": "", kumo + "/dkim_data.toml": "[base]\nvault_mount = \"kv\"\n" +
				"[domain.\"example.com\"]\nselector = \"mail\"\n"}, ready: true, remark: "from Vault",
			has: []string{"--from-vault kv/dkim --layout kumomta --active mail"}},
		"KumoMTA with another file in Vault": {
			files: map[string]string{kumo + "/init.lua": "", kumo + "/dkim_data.toml": "[base]\nvault_mount = \"kv\"\n" +
				"[domain.\"example.com\"]\nselector = \"mail\"\nfilename = \"a/b\"\n"}, before: "dkimbot.toml",
			remark: "by filename", has: []string{"driver: kumomta"}},
		"KumoMTA with a damaged file": {files: map[string]string{kumo + "/init.lua": "", kumo + "/dkim_data.toml": "["},
			before: "dkimbot.toml", remark: "would refuse all of it", has: []string{"driver: kumomta"}},
		"mailcow": {
			files:  map[string]string{"/opt/mailcow-dockerized/mailcow.conf": "REDIS_PORT=127.0.0.1:7777\nREDISPASS=secret\n"},
			remark: "DKIM_SELECTORS", before: "sed -n 's/^REDISPASS=//p' /opt/mailcow-dockerized/mailcow.conf >" +
				"/etc/dkimbot/redis.password",
			has: []string{"preset: mailcow", "redis: 127.0.0.1:7777\n", "    # password_file: /etc/dkimbot/redis.password\n"}},
		"an old mailcow": {files: map[string]string{"/srv/mailcow.conf": "REDIS_PORT=7000\nREDISPASS=\n"}, ready: true,
			remark: "DKIM_SELECTORS", has: []string{"redis: 127.0.0.1:7000\n"}},
		"docker-mailserver": {
			files: map[string]string{dms + "/opendkim/KeyTable": "mail._domainkey.example.com " +
				"example.com:mail:/etc/opendkim/keys/example.com/mail.private\n",
				dms + "/opendkim/SigningTable":                  "*@example.com mail._domainkey.example.com\n",
				dms + "/opendkim/keys/example.com/mail.private": key},
			before: "mv /opt/mail/docker-data/dms/config/opendkim /etc/opendkim",
			has: []string{"driver: opendkim", "key_dir: /etc/opendkim/keys\n", "milter: inet:8891@127.0.0.1\n",
				"reload: [docker, exec, mailserver, supervisorctl, signal, USR1, opendkim]",
				"signed with mail, /etc/opendkim/keys/example.com/mail.private, 2048 bits", "--from-opendkim /etc/opendkim/KeyTable"}},
		"docker-mailserver that was moved": {
			files: map[string]string{dms + "/dovecot.cf": "", dmsAt + "/KeyTable": "k example.com:mail:/etc/opendkim/keys/k\n",
				dmsAt + "/SigningTable": "*@example.com k\n"}, ready: true, has: []string{"signed with mail, /etc/opendkim/keys/k"}},
		"docker-mailserver with rspamd": {files: map[string]string{dms + "/rspamd/dkim/x": ""}, remark: "rspamd signs there",
			ready: true},
		"docker-mailserver beside OpenDKIM": {files: map[string]string{dms + "/opendkim/KeyTable": "",
			"/etc/opendkim/README": ""}, remark: "of the container, and the host has", ready: true},
		"docker-mailserver without keys": {files: map[string]string{dms + "/x": ""}, remark: "setup config dkim",
			before: "docker compose up -d", has: []string{"driver: opendkim"}},
		"a name that a shell would not take": {files: map[string]string{"/opt/a;rm/mailcow.conf": ""}, none: true},
	} {
		t.Run(name, func(t *testing.T) {
			all := find(t, host(t, test.files))
			if test.none {
				if len(all) > 0 {
					t.Fatalf("found %+v", all)
				}
				return
			}
			if len(all) != 1 {
				t.Fatalf("found %+v", all)
			}
			s, made := all[0], text(t, all)
			if got := strings.Join(s.Remarks, "\n"); !strings.Contains(got, test.remark) || test.remark == "" && got != "" {
				t.Errorf("it remarks %q, want %q", got, test.remark)
			}
			if test.ready != (len(s.Before) == 0) || !test.ready && !slices.ContainsFunc(s.Before,
				func(step string) bool { return strings.Contains(step, test.before) }) {
				t.Errorf("before comes %q", s.Before)
			}
			for _, part := range test.has {
				if !strings.Contains(made, part) {
					t.Errorf("no %q in\n%s", part, made)
				}
			}
		})
	}
}
