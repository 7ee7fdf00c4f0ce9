// Package found has the words for what is found on a host when a first configuration is made: the host itself, as far
// as it is read, and the programs that sign mail there. Each driver finds its own programs (see Finder).
//
// It reads files and asks programs for their configuration, and changes nothing.
package found
