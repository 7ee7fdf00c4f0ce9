// Command mutation shows which lines of the planner, the transitions and the steps no
// test notices.
//
// It changes one thing at a time: a comparison, an operand of a condition, a whole
// condition, one of several elements that are looped over, or it drops one statement.
// It finds the functions by the types that they have to do with, in whichever file and
// package they stand.
//
// All changes are built into the test binaries once, by go's -overlay so that the tree
// is not touched, and an environment variable chooses one of them. First each test
// says at which changes it sees a difference: an expression that never has another
// value in a test can't be noticed by it. Then each change is run with the tests that
// may notice it, those first which noticed another one of the same function, and what
// they do not notice with the short simulation.
//
// What survives must stand in accepted.txt, with the reason. Its lines name a function
// and a change, and no line number, so that they hold when code moves.
//
//	go run ./rotate/mutation                        all
//	go run ./rotate/mutation -files revoke.go       those of some files
//	go run ./rotate/mutation -only '^.State[.]'     those whose function and change match
//	go run ./rotate/mutation -every 20              each twentieth only
//	go run ./rotate/mutation -log FILE              a run that continues where it was ended
//
// It is for developers, and no part of dkimbot.
package main
