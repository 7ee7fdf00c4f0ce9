// Package bench measures what dkimbot adds to the making of keys, which it can't
// do without. It holds benchmarks and their smoke tests only; make bench runs them.
//
// Every figure is a ratio of two measurements that stand side by side in one run, in
// turns, so that it means the same on every machine:
//
//   - making key pairs as dkimbot makes them, against crypto/rsa alone;
//   - bootstrapping domains through BIND, Vault and OpenDKIM's tables, against making
//     their keys alone on all processors;
//   - the same work for each key by an operator's script (by-hand.sh).
//
// It may import everything; nothing imports it.
package bench
