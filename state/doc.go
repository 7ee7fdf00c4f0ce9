// Package state says what a place that keeps domains' states promises beyond
// ports.Store, and holds the rules that every such place shares: when a domain
// is due, who gets a lease, when a write is refused.
//
// It promises that those rules are pure: they read no clock and no storage, so
// that SQLite and the store in the simulator's memory answer alike. The suite in
// statetest holds them to it.
//
// It may import rotate, rotate/ports and the leaves. No secret is ever handed to it
// (I9); the only one that it makes and keeps is the key that saved plans are signed with.
package state
