// Package milter asks a program that signs mail as a milter, such as OpenDKIM, dkimpy-milter or rspamd,
// what it signs with. It gives the program a message as a mail server on this host would, which is
// never delivered, and reads the signature that would be added: files can say one thing and
// a program that has not read them another.
//
// An adapter makes a Witness of it with one key more and two lines.
//
// It may import rotate/dkim, rotate/fault, rotate/settings and rotate/signer.
package milter
