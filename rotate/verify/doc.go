// Package verify says what DNS shows at a selector's name.
//
// The truth is what authoritative servers answer. A [Verifier] finds the zone
// that really holds the name, following CNAMEs and zone cuts, asks every server
// of that zone at every address, in parallel, and reports in a [Sight] what they
// show, which of them lag, and how long caches may keep what was there before.
// It does not know what is wanted: its caller compares.
//
// A recursive resolver is asked only for the domain and its parents (for the DS record, too), for the
// zone's name servers and their addresses; never for the selector's name, whose
// absence the resolver would then remember. That promise holds for the mode
// [Authoritative]; in the mode [Both] resolvers are asked once all authoritative
// servers show a record, and only the mode [Resolvers] asks them at any time.
//
// What a wildcard shows at a name does not stand there; the package tells them apart and
// says so in a Sight.
//
// Where the zone is signed, a record whose signatures validating resolvers would reject is reported as such.
//
// The package imports the leaves, miekg/dns and x/sync.
// It reads from the network and changes nothing anywhere (invariant I11).
package verify
