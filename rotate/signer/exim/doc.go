// Package exim makes Exim sign with the keys it is given: private key files, and one lookup file that names selector
// and key file of each domain.
//
//	example.com: selector=s2 privkey=/etc/exim4/dkim/example.com/s2-1a2b3c4d.private
//
// # What it promises
//
// At every instant, also after a crash between any two operations, each domain has one selector and the key that
// belongs to it (I1, I7):
//
//  1. New key files are written beside the old ones, synced and renamed; none is ever overwritten.
//  2. The lookup file is replaced in one instant. This is the switch, for however many domains.
//  3. Both are read again as Exim reads them.
//
// There is no reload: each process of Exim opens the file when it signs. Selector and key stand in one line. Exim
// expands dkim_selector and then dkim_private_key, two lookups, but it keeps the file open in between and remembers the
// line, so that both come from one version of the file (search.c; TestSwitchesUnderMail shows it). What a process has
// remembered it uses until it has tried all hosts for the message; Lag covers that.
//
// # Other people's lines
//
// Our lines stand in a marked block at the top. Exim uses the first line of a domain, so one further down is without
// effect from the instant of the switch, and it is kept byte for byte, as is everything else outside of the block (I6).
// One that somebody puts above the block later is named, and the block comes first again when the domain's key is
// activated again. A line of theirs with several selectors, with which Exim signs several times, is reported by Active
// and ends with the first switch.
//
// It may import the leaves and the packages of rotate/signer.
package exim
