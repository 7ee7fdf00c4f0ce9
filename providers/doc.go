// Package providers writes key records to DNS through libdns modules, and makes
// them safe for that: New builds the provider of a configured account by the
// name of its driver, Publish makes a record the only TXT record at its name.
//
// The modules have faults that would break mail. The layer here promises, for
// every driver:
//
//   - A value goes into DNS octet for octet, cut into strings of at most 255
//     (RFC 6376 section 3.6.2.2). What a module could mangle is refused before.
//   - One TXT set is replaced in one step, never deleted and created (I1). What a driver can't
//     replace in one step, such as two records at one name, is refused and left as it was (I3, I6).
//   - What a record does not replace (dkim.TXT.Replaces) is left as it was, and the fault is Refused with
//     code "foreign-record" (I6). RFC 2136 compares and sets in one step, and zone files under
//     their lock; at Route 53 and Cloudflare the record is read directly before the change.
//     A revocation (dkim.TXT.Beside) with RFC 2136 or in zone files changes dkimbot's own record beside others.
//   - An answer to a signed update or query that the key did not sign is not believed.
//   - A call ends after Config.Timeout, a Publish after Config.Total once its
//     first call has begun, whatever the module does; waiting in the queue ends with ctx.
//   - A call that was given up keeps its zone's turn until it has really
//     returned, so it can't overtake a later one and bring an old key back (I5).
//   - An account is called at most Config.Rate times a second, Config.Parallel
//     calls at a time, one at a time for each zone, and not at all while it asks to be left alone.
//   - Errors that can go away are retried with backoff. What is returned is a
//     fault that names provider, zone and record, says whether a retry can help and what
//     to do, and holds no secret (I9). A panic in a module becomes such a fault.
//   - No list of a zone's records is ever read, no record of another type or name touched.
//
// The limits count for one Provider: two that share an account don't know of each other.
//
// The package imports the leaves, providers/zonefile, libdns and its modules; the command line's
// wiring imports it.
package providers
