// Package engine carries plans out: for each step it writes the intent, has the effect,
// sees that it holds and writes the confirmation (I7), under a lease on the domain (I8).
// A Planner observes and plans and can do nothing else; an Engine also acts; a Scheduler
// calls the engine when something is due, and looks after every domain now and then.
//
// Whatever fails, is killed, loses its answer or is restored from a backup: the next
// Advance observes what is there and continues from that. The tests' world holds all of it
// to the invariants, as receivers see them (machine_test.go).
package engine
