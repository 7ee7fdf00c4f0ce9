// Package machine says what the program has to know of the machine that it runs on: which process this is and which
// others run no more, what programs a dead one left behind, and the time.
package machine
