// Package console is what every command shares: what the program reads and writes, the
// flags that all commands have, how progress, errors and exit codes are reported, and how the
// configuration is loaded and its parts are opened. The commands themselves stand above it.
package console
