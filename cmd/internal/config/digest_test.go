package config

import "testing"

// everyDriver uses each driver with all of its keys, and each kind of keystore, at paths of its own.
const everyDriver = `
state: { path: /var/lib/dkimbot/state.db }
keystore:
  driver: vault
  address: https://vault.example.com:8200
  auth: { method: approle, role_id_env: TOKEN, secret_id_env: TOKEN }
providers:
  office: { driver: rfc2136, server: 192.0.2.1, key_name: DKIMBOT., key_algorithm: hmac-sha512, key_env: TSIG, timeout: 7s, rate: 2.5, parallel: 3 }
  aws: { driver: route53, region: eu-central-1, profile: mail, hosted_zone_id: /hostedzone/Z1, access_key_id: AKID, secret_access_key_env: TOKEN, session_token_env: TOKEN }
  edge: { driver: cloudflare, api_token_env: TOKEN }
  lab: { driver: zonefile, dir: /zones, listen: "[::1]:5353", reload: [rndc, reload], reload_timeout: 5s }
  bare: { driver: zonefile, dir: /bare }
signers:
  mx1:
    driver: opendkim
    key_dir: /etc/dkimkeys
    key_table: file:/etc/opendkim/key.table
    signing_table: refile:/etc/opendkim/signing.table
    reload: [systemctl, reload, opendkim]
    reload_timeout: 10s
    lag: 20m
    owner: opendkim:mail
    milter: inet:8891@localhost
    allow_unsafe_keys: true
  mx2: { driver: opendkim, key_dir: /k, key_table: /t, signing_table: /s, reload: ["true"] }
  hook: { driver: exec, command: [/bin/switch, now], timeout: 5s, lag: 1m, send_key: true }
  plain: { driver: exec, command: [switch] }
domains:
  - { name: office.example, provider: office, signers: [mx1, plain] }
  - { name: aws.example, provider: aws, signers: [mx2] }
  - { name: edge.example, provider: edge, signers: [hook] }
  - { name: lab.example, provider: lab, signers: [hook, mx1] }
  - { name: bare.example, provider: bare, signers: [plain] }
`

// Saved plans hold the digests of a configuration. Those of before the drivers owned their
// fields must stay, or every plan that was saved would be refused as made for another one.
func TestDigestsStay(t *testing.T) {
	c := mustText(t, everyDriver, map[string]string{"TOKEN": "hunter2", "TSIG": "aHVudGVyMg=="})
	want := map[string]string{
		"office.example": "ddb6e7b5bb8f11c1f2ffb447e00dde1995e758f1165bfaefc3b48c77d78c6c84",
		"aws.example":    "ab61901714667662ce8152c5c9c15508333042d57418dd00fa2fb1df7c3918e7",
		"edge.example":   "3336f12dd6e3a624b3a364491552378881f3cf5291a7673afc5e9e4dd0c887b8",
		"lab.example":    "d8918f67589cbca5240507e8c2b2405e7fa8f01a139c2309d05f2949ddaa082f",
		"bare.example":   "95754ea860750ce4c9c2acf32b324ae08226ca3b7c2c42505d307d2f1abcb775",
		"":               "7743642ed57fbe2dfb3ca63d88b3c0bd9f4a2f577c594da572389c13f7facc64", // of the whole
	}
	for _, d := range c.Domains {
		if got := c.DomainDigest(d.Name); got != want[d.Name] {
			t.Errorf("%s has digest\n%s, want\n%s", d.Name, got, want[d.Name])
		}
	}
	if got := c.Digest(); got != want[""] {
		t.Errorf("the digest is\n%s, want\n%s", got, want[""])
	}
}
