// Package endpoint calls services over HTTP for the signers that are reached by it: one request at a time is bounded in
// time and in the size of its answer, is sent to the configured host and to no other, is repeated where that can help,
// and no error holds what is secret.
//
// It may import the leaves and rotate/signer.
package endpoint
