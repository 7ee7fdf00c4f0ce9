// Package house holds the tests that read the whole tree: that every error is shown by a test,
// says what to do next, and is written in plain words, and that no file of such texts is stale.
package house
