package e2e

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/dkimbot/dkimbot/keystore/vault/vaulttest"
	"github.com/dkimbot/dkimbot/rotate/signer/signertest"
)

// matrixSigner is a real program that signs mail of one domain.
type matrixSigner struct {
	name    string
	at      string        // its domain, which other signers may sign, too; one of its own when empty
	section string        // in the configuration, without its name and lag
	policy  string        // "default" when empty
	lag     time.Duration // the usual one when zero
	mail    func(t testing.TB, domain string) signertest.Answer
	arc     bool // it seals mail (ARC), too

	sabotage string // what is wrong after ruin, for people
	// ruin makes one thing wrong, and returns a text of the configuration and what stands in its place from then on.
	ruin func(t testing.TB) (old, ruined string)
}

// takes is how long after a switch mail may still be signed with the key before.
func (s *matrixSigner) takes() time.Duration { return cmp.Or(s.lag, lag) }

func (s *matrixSigner) domain() string { return cmp.Or(s.at, s.name+".test") }

// matrixSigners starts all signers. A signer more is a function, and a line here.
func matrixSigners(t *testing.T, binary string, v *vaulttest.Server) []*matrixSigner {
	return append(agentRows(t, binary, v), opendkimRow(t), dkimpyRow(t, "dkimpy", "default"), dkimpyRow(t, "dkimpy-ed25519", "ed25519"),
		eximRow(t, "exim", "default"), eximRow(t, "exim-ed25519", "ed25519"),
		rspamdMapsRow(t), rspamdRedisRow(t), rspamdVaultRow(t, v), harakaRow(t),
		maddyRow(t, "maddy", "default"), maddyRow(t, "maddy-ed25519", "ed25519"))
}

func opendkimRow(t *testing.T) *matrixSigner {
	d := signertest.StartOpenDKIM(t)
	reload := fmt.Sprintf(`reload: ["%s"]`, strings.Join(d.Reload(), `", "`))
	return &matrixSigner{
		name: "opendkim",
		section: fmt.Sprintf("driver: opendkim, key_dir: %s, key_table: %s, signing_table: refile:%s, %s", d.KeyDir,
			d.KeyTable, d.SigningTable, reload),
		mail:     d.Mail,
		sabotage: "OpenDKIM is not told to read its tables again",
		ruin:     func(testing.TB) (string, string) { return reload, `reload: ["true"]` },
	}
}

func dkimpyRow(t *testing.T, name, policy string) *matrixSigner {
	section := func(d *signertest.DkimpyMilter) string {
		tables := fmt.Sprintf("key_table: %s, signing_table: %s", d.KeyTable, d.SigningTable)
		if d.KeyTableEd25519 != "" {
			tables += ", key_table_ed25519: " + d.KeyTableEd25519
		}
		return fmt.Sprintf(`driver: dkimpy-milter, owner: root, key_dir: %s, %s, restart: ["%s"], milter: %s`, d.KeyDir, tables,
			strings.Join(d.Restart(), `", "`), d.Socket)
	}
	d := signertest.StartDkimpyMilter(t, policy == "ed25519")
	return &matrixSigner{
		name: name, policy: policy, section: section(d),
		mail:     d.MailAgain,
		sabotage: "another dkimpy-milter is switched and asked than the one that signs", // one alone would be noticed
		ruin: func(testing.TB) (string, string) {
			return section(d), section(signertest.StartDkimpyMilter(t, policy == "ed25519"))
		},
	}
}

func eximRow(t *testing.T, name, policy string) *matrixSigner {
	e := signertest.StartExim(t)
	return &matrixSigner{
		name: name, policy: policy,
		section:  fmt.Sprintf("driver: exim, key_dir: %s, table: %s", e.KeyDir, e.Table),
		mail:     e.Mail,
		sabotage: "another lookup file is written than Exim reads",
		ruin:     func(t testing.TB) (string, string) { return elsewhere(t, "table: ", e.Table) },
	}
}

// sealing lets rspamd's arc module seal what is sent from here.
const sealing = " sign_local = true; use_domain = header;"

func rspamdMapsRow(t *testing.T) *matrixSigner {
	d := signertest.NewRspamd(t)
	selectors := d.Path("selectors.map")
	must(t, os.WriteFile(selectors, nil, 0o644))
	signing := signertest.RspamdSigning(d.KeyDir, selectors)
	d.Start(t, "dkim_signing { "+signing+" }\narc { "+signing+sealing+" }\n")
	return &matrixSigner{
		name:     "rspamd-maps",
		section:  fmt.Sprintf("driver: rspamd, source: maps, key_dir: %s, selector_map: %s", d.KeyDir, selectors),
		mail:     rspamdMail(d),
		arc:      true,
		sabotage: "another map is written than rspamd reads",
		ruin:     func(t testing.TB) (string, string) { return elsewhere(t, "selector_map: ", selectors) },
	}
}

func rspamdRedisRow(t *testing.T) *matrixSigner {
	r := signertest.StartRedis(t, nil)
	d := signertest.NewRspamd(t)
	const module = "%s { use_esld = false; try_fallback = true; use_redis = true; key_prefix = %s; selector_prefix = %s;%s }\n"
	d.Start(t, fmt.Sprintf("redis { servers = %q; }\n", r.Address)+
		fmt.Sprintf(module, "dkim_signing", "DKIM_PRIV_KEYS", "DKIM_SELECTORS", "")+
		fmt.Sprintf(module, "arc", "ARC_KEYS", "ARC_SELECTORS", sealing))
	return &matrixSigner{
		name: "rspamd-redis",
		section: fmt.Sprintf("driver: rspamd, source: redis, redis: %q, preset: mailcow, arc_key_prefix: ARC_KEYS, "+
			"arc_selector_prefix: ARC_SELECTORS", r.Address),
		mail:     rspamdMail(d),
		arc:      true,
		sabotage: "the field of the selector is missing in Redis",
		ruin: func(t testing.TB) (string, string) {
			r.Do(t, "hdel", "DKIM_SELECTORS", "rspamd-redis.test")
			return "preset: mailcow", "key_prefix: DKIM_PRIV_KEYS, selector_prefix: OTHERS"
		},
	}
}

func rspamdVaultRow(t *testing.T, v *vaulttest.Server) *matrixSigner {
	v.Mount(t, "rspamd", "1") // Debian's rspamd reads no other version
	d := signertest.NewRspamd(t)
	signing := signertest.RspamdVault(v.Address, v.RootToken, "rspamd")
	d.Start(t, "dkim_signing { "+signing+" }\narc { "+signing+sealing+" }\n")
	return &matrixSigner{
		name:     "rspamd-vault",
		section:  "driver: rspamd, source: vault, vault_path: rspamd, vault_kv_version: 1",
		mail:     rspamdMail(d),
		arc:      true,
		sabotage: "the secret is written where rspamd does not look",
		ruin:     func(testing.TB) (string, string) { return "vault_path: rspamd,", "vault_path: rspamd/other," },
	}
}

func harakaRow(t *testing.T) *matrixSigner {
	h := signertest.NewHaraka(t)
	h.Start(t)
	return &matrixSigner{
		name:     "haraka",
		section:  fmt.Sprintf("driver: haraka, config: %s, owner: root", h.Config),
		lag:      20 * time.Second, // it reads its files again every five seconds
		mail:     h.Mail,
		sabotage: "another directory is written than Haraka reads",
		ruin: func(t testing.TB) (old, ruined string) {
			must(t, os.CopyFS(h.Config+".other", os.DirFS(h.Config)))
			disown(t, h.Config+"/smtp.json")
			return "config: " + h.Config + ",", "config: " + h.Config + ".other,"
		},
	}
}

func maddyRow(t *testing.T, name, policy string) *matrixSigner {
	section := func(m *signertest.Maddy) string {
		return fmt.Sprintf(`driver: maddy, owner: root, key_dir: %s, file: %s, restart: ["%s"], ask: "%s", answer: %s`, m.KeyDir,
			m.File, strings.Join(m.Restart(), `", "`), m.Ask, m.Answer)
	}
	m := signertest.StartMaddy(t)
	return &matrixSigner{
		name: name, policy: policy, section: section(m),
		mail:     m.Mail,
		sabotage: "another maddy is switched and asked than the one that signs", // one alone would be noticed
		ruin:     func(testing.TB) (string, string) { return section(m), section(signertest.StartMaddy(t)) },
	}
}

func rspamdMail(d *signertest.Rspamd) func(testing.TB, string) signertest.Answer {
	return func(t testing.TB, domain string) signertest.Answer {
		a, _ := d.Mail(t, domain)
		return a
	}
}

// disown takes the signer's name out of what dkimbot wrote in a file.
func disown(t testing.TB, path string) {
	text, err := os.ReadFile(path)
	must(t, err)
	without := regexp.MustCompile(` for signer "[^"]+"|("signer": *")[^"]+`).ReplaceAll(text, []byte("$1"))
	if bytes.Equal(without, text) {
		t.Fatalf("%s names no signer:\n%s", path, text)
	}
	must(t, os.WriteFile(path, without, 0o644))
}

// elsewhere copies a file, and returns its setting in the configuration and that of the copy. The block in the old file,
// by which dkimbot would refuse that, names no signer, as one that an earlier build wrote.
func elsewhere(t testing.TB, key, path string) (old, ruined string) {
	text, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path+".other", text, 0o644))
	disown(t, path)
	return key + path, key + path + ".other"
}
