// Package stdio answers on a signer's host what the coordinator asks by ssh (package ssh): one request on standard
// input, one answer on standard output. It is what 'dkimbot agent --stdio' runs.
//
// One request is served at a time, and each answer has a new ticket. Who wants a change has to bring the newest one:
// what was left behind by a connection that was cut changes nothing once anything was asked after it (I7).
//
// It may import the leaves, rotate/signer, rotate/signer/protocol and rotate/signer/agent/ssh.
package stdio
