// Package serve answers questions about a running daemon over HTTP: pages for people at /, metrics for
// Prometheus at /metrics, whether it lives at /livez, and whether it can do its work at /readyz. It reads, and has
// no way to change anything.
//
// Metrics are of two kinds. Fleet metrics are made of the stored states each time that they
// are asked for, so that 'dkimbot status --format prometheus' can print them without a daemon. The
// others count what this process does: its steps, and its calls to DNS, keystore, providers
// and signers. None has a label for a domain: their number does not grow with the domains.
package serve
