// Package protocol holds the JSON documents by which a program or a service of the operator's is a signer, and how
// the answers to them are judged. Package exec sends them to a command, package http to an endpoint.
//
//	{"format_version":1,"action":"activate","signer":"mx1","domains":[
//	  {"domain":"example.com","selector":"s2","key_id":"…","record":"v=DKIM1; …","private_key":"-----BEGIN PRIVATE KEY-----…"}]}
//
//	{"active":{"example.com":{"selector":"s2","key_id":"…"}}}
//
// The actions:
//
//   - "activate": make these the only keys that the domains are signed with,
//     and say so once it is in effect. Each domain must be answered with the selector
//     asked for, and with its key_id if one is given; those that are not
//     have failed. private_key (PKCS#8 PEM) is there only with send_key.
//   - "active": say what the domains are signed with. domains holds names only;
//     leave out those that are not signed for.
//   - "forget": remove copies of these keys, unless one of them is in use; the
//     answer is not read. A peer that keeps no keys does nothing and succeeds.
//
// The same request may come again at any time, for instance after a crash, and
// must lead to the same end. Fields that the reader does not know are ignored on both sides.
//
// It may import rotate/dkim, rotate/fault and rotate/signer.
package protocol
