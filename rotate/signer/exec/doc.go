// Package exec lets a command of the operator's be a signer.
//
// The command is run without a shell, in a process group of its own that is
// killed as a whole at the time-out. It reads one JSON document on standard
// input and writes one on standard output:
//
//	{"format_version":1,"action":"activate","domains":[
//	  {"domain":"example.com","selector":"s2","key_id":"…","record":"v=DKIM1; …","private_key":"-----BEGIN PRIVATE KEY-----…"}]}
//
//	{"active":{"example.com":{"selector":"s2","key_id":"…"}}}
//
// The actions:
//
//   - "activate": make these the only keys that the domains are signed with,
//     and say so once it is in effect. Each domain must be answered with the selector
//     asked for, and with its key_id if one is given; those that are not
//     have failed. private_key (PKCS#8 PEM) is there only with Config.SendKey.
//   - "active": say what the domains are signed with. domains holds names only;
//     leave out those that are not signed for.
//   - "forget": remove copies of these keys, unless one of them is in use; the
//     answer is not read. A command that keeps no keys does nothing and succeeds.
//
// The same request may come again at any time, for instance after a crash, and
// must lead to the same end. A non-zero exit status is a failure of the
// whole batch; the end of standard error becomes part of the message, with
// whatever looks like key material taken out.
//
// The environment holds PATH, HOME and LANG of dkimbot, nothing else of it, and
// DKIMBOT_ACTION, DKIMBOT_SIGNER (the signer's name); for a batch of one domain
// also DKIMBOT_DOMAIN and, where the request has them, DKIMBOT_SELECTOR and
// DKIMBOT_KEY_ID. The private key is never in environment or arguments (I9).
//
// With Config.Milter, what signs is asked by a message that is never delivered, at every question and
// after every switch: the command's answer is no proof then (see package milter).
//
// Fields that the reader does not know are ignored on both sides.
//
// It may import rotate/dkim, rotate/fault and the packages of rotate/signer.
package exec
