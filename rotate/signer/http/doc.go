// Package http lets an endpoint of the operator's be a signer.
//
// Each request is a POST to the URL, with one JSON document of package protocol as its body and one as the body of the
// answer, which has a status from 200 to 299:
//
//	POST /dkim HTTP/1.1
//	Content-Type: application/json
//	Authorization: Bearer TOKEN
//	Idempotency-Key: "7HQ2…"
//
// # Repeats
//
// A request is sent up to four times: after no answer, and after 408, 409, 425, 429 and 5xx; Retry-After is honoured up
// to a minute. All of them have one Idempotency-Key, in the form of draft-ietf-httpapi-idempotency-key-header: what was
// carried out already is answered, not carried out again. Another activate has another key, also with the same
// document: the keys of a domain may go from s1 to s2 and back to s1. "active" changes nothing and has none.
// A run of dkimbot that was killed is followed by one that sends the document with a key of its own; it must lead to
// the same end.
//
// # What is not sent
//
// Redirects are not followed: keys and token are sent to no other host than the configured one. http is allowed on this
// machine only. Private keys are sent only with Config.SendKey. What the endpoint says is shown without token and
// without what looks like key material (I9).
//
// Whether exactly one signature is made at any instant (I1) is up to what stands behind the endpoint; it is asked what
// signs before and after each switch. With Config.Milter, what signs is asked by a message that is never delivered
// (see package milter).
//
// Other users of the host can't come between: of this host it uses the files of token and ca_file alone, and a
// secret that others may read or write is refused when it is read.
//
// It may import the leaves and the packages of rotate/signer.
package http
