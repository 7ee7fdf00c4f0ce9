// Package ssh lets dkimbot switch a signer on another host where there is no Vault: it runs the operator's own OpenSSH,
// and on the host one forced command answers ('dkimbot agent --stdio', package stdio).
//
// # Documents
//
// A connection carries one request and one answer, each a JSON document. The request is the one of package protocol,
// with private keys, and a ticket:
//
//	{"format_version":1,"action":"activate","signer":"mx2","ticket":"…","domains":[
//	  {"domain":"example.com","selector":"s2","key_id":"…","record":"v=DKIM1; …",
//	   "private_key":"-----BEGIN PRIVATE KEY-----…"}],
//	 "others":{"example.org":{"selector":"s1","key_id":"…"}}}
//
// others says, with a change, what the host's other domains are to stay signed with: a daemon that keeps its files in
// memory takes up what has become of their lines when it is reloaded. A host of an older version ignores it, and
// protects its other domains as little as before.
//
// The answer has what that protocol asks for, and what else the host knows. It is the last line of what comes back:
// what start-up files of a shell print before is passed over.
//
//	{"format_version":1,"signer":"mx2","instance":"…","host":"mail2","version":"…","at":"…","lag_ns":0,"ticket":"…",
//	 "active":{"example.com":{"selector":"s2","key_id":"…"}},
//	 "failed":{"example.net":{"error":"…","hint":"…","lasting":true}}}
//
// A key_id of signer.UnknownKey stands for a key that signs from a daemon's memory and is in no file of the host, and
// what dkim.Unfit returns for one that signs by an algorithm of others.
//
// signer is the name of the agent as both configurations have it: a host that was asked under another one does nothing
// and says so, and two names can't lead to one host. Fields that the reader does not know are ignored on both sides.
//
// # What it promises
//
//   - Private keys travel on the standard input of ssh, and nowhere else (I9). Nothing is sent before the host has
//     proved its key: what the operator's ssh configuration says of that check does not count.
//   - A switch is confirmed by what the host's adapter sees in effect, asked after everything was installed (I10).
//   - A connection that ends in between leaves open what the host signs with: it is asked again, and until it answers,
//     it is a signer that does not answer, and no key is replaced.
//   - A request that was left behind, such as one whose connection was cut, changes nothing once anything was asked
//     after it (I7): each answer has a new ticket, and who wants a change has to bring the newest. An old one is
//     answered with the new one, and the request is sent again.
//   - Two hosts behind one name are reported when each has answered and one of them comes back.
//
// It may import the leaves, rotate/signer and rotate/signer/protocol.
package ssh
