// Package engine carries plans out: for each step it writes the intent, has the effect,
// sees that it holds and writes the confirmation (I7), under a lease on the domain (I8).
// A Planner observes and plans and can do nothing else; an Engine also acts. Package rotate/scheduler
// calls it when something is due. Package rotate/approval says how a saved plan is used up, and package
// rotate/foresight what is asked before the first key is made.
//
// Whatever fails, is killed, loses its answer or is restored from a backup: the next
// round observes what is there and continues from that. The tests' world holds all of it
// to the invariants, as receivers see them (machine_test.go).
//
// # Layers
//
// Each layer decides about retries in one place.
//
//   - The scheduler starts a task for each domain when its time has come. What failed, also what
//     could not be noted in the state, it tries again after hasten.Pause.
//   - Engine.Settle does rounds of one task, and stays for the waits and failures in between as
//     Patience allows (Patience.allows). A saved plan and an adoption are tasks like any other.
//   - A round holds the domain: a place among those that are worked on at once, a claim in this
//     process, the lease. It does not retry; a run that lost its lease on the way is put right.
//   - A run observes once, then plans and carries out until nothing is to be done now. A failure
//     ends it, and is noted with the next try (run.fail); only in an emergency it continues with
//     what does not need what failed (run.continues).
//   - A step has one effect, between its intent and its confirmation. It is not retried here: a
//     provider retries its calls within a bounded time (providers), and a record that does not
//     show yet is looked up until its time is over (run.await).
//
// A panic in a round, a step, or a call that many domains share is an error of that part alone:
// fault.Caught makes it one, and nothing else in these rooms catches panics.
//
// # From the command to the write
//
// These functions lie between main and a write in DNS of "dkimbot rotate --domain", those of
// libraries apart. TestTrace in cmd/internal/cli holds the list.
//
//	 1 main.main                          ends the process with the exit code
//	 2 cli.Main                           catches signals, prints errors
//	 3 act.Rotate.func1                   checks flags, loads the configuration, chooses domains
//	 4 act.run.settle                     opens the parts, prints results
//	 5 engine.(*Engine).SettleAll         works on the domains side by side
//	 6 engine.(*Engine).settle            does rounds, and waits in between
//	 7 engine.(*Engine).round             holds the domain
//	 8 engine.(*run).advance              observes and plans
//	 9 engine.(*run).steps                carries steps out in their order, notes failures
//	10 engine.(*run).do                   bounds a step by the lease and by time
//	11 engine.(*run).publish              looks, writes the intent, has the effect, confirms
//	12 providers.(*Provider).Publish      waits for the account's turn, retries, says what failed
//	13 providers.(*Provider).call         bounds an attempt
//	14 providers.(*Provider).set          keeps the turn until the driver has returned
//	15 providers.(*updater).Set           writes
package engine
