// Command mutation shows which lines of package rotate no test notices.
//
// It changes one thing at a time: a comparison, an operand of a condition, a whole
// condition, one of several elements that are looped over, or it drops one statement.
// All changes are built into one test binary, by go's -overlay so that the tree is not
// touched, and an environment variable chooses one of them. First each test tells which
// changes it reaches; then each change is run with the tests that reach it, and what
// they do not notice with the short simulation.
//
// What survives must stand in accepted.txt, with the reason. Its lines name a function
// and a change, and no line number, so that they hold when code moves.
//
//	go run ./rotate/mutation                       all files of the planner and the transitions
//	go run ./rotate/mutation -files revoke.go      some
//	go run ./rotate/mutation -every 20             each twentieth change only
//
// It is for developers, and no part of dkimbot.
package main
