// Package kumomta makes KumoMTA sign with the keys it is given, by a data file of its helper dkim_sign:
//
//	[domain]
//	"example.com" = { selector = "s2", algo = "sha256", filename = "/etc/dkim/example.com/s2-1a2b3c4d.private" }
//
// # What it promises
//
// At every instant, also after a crash between any two operations, the file gives each domain one selector, and names
// the key that belongs to it (I1, I7). New key files are written beside the old ones; then the file is replaced in
// one instant, for however many domains. Where KumoMTA reads keys from Vault, filename is a path there, the keystore's
// own, and nothing is written to Vault: that the key stands there is seen before the file is changed.
//
// There is no reload. KumoMTA keeps what it has read of its data files for five minutes, a signer for five
// more, and a key for five more (policy-extras/dkim_sign.lua, crates/message/src/dkim.rs): Lag covers the three.
//
// The helper merges its data files field by field. So dkimbot's line names all that says which key it is: with
// a field left out, one of another file would count for it.
//
// # Other people's lines
//
// Our lines stand in a marked block at the end of the file, everything else is kept byte for byte (I6). A file that
// KumoMTA would refuse, with a field that it does not know or a table that is given twice, would end all signing:
// what is there and what is to be written is held against its schema first.
//
// It may import the leaves and the packages of rotate/signer.
package kumomta
