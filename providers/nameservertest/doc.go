// Package nameservertest starts real name servers for tests: BIND and Knot with
// zones that dynamic updates change, and a liar that misbehaves as it is told.
//
// Every server listens on loopback only, on a free high port, has its own
// directory and its own random TSIG keys, is ready when the Start function
// returns, and is gone when the test ends. Its log is shown if the test fails.
// A missing program fails the test and names the Debian package to install.
//
// The package is for tests alone: any test may import it, and it
// imports rotate/dkim and nothing else of the product.
package nameservertest
