// Package zonefile is a libdns provider for zones that are kept in standard
// zone files (RFC 1035 section 5), and a small authoritative name server that
// answers from them.
//
// A directory holds one file a zone, <zone>.zone or just <zone>, lower case and
// without a final dot. The provider promises:
//
//   - It changes only its own records. They stand in a block between two marked
//     lines at the end of the file; everything else stays as it is, byte for
//     byte, but for the SOA serial, which grows with every change. A change that
//     would have to touch a record outside the block is refused (invariant I6).
//   - Every change is all or nothing. The new text is parsed and compared with
//     what was wanted before it replaces the old file in one rename; mode and
//     owner stay.
//   - Processes that change one zone at once don't lose each other's changes.
//   - The reload command runs after a change. If it fails, or the process is
//     killed before it has run, the next call of SetRecords runs it again, even if it has
//     nothing else to do (invariant I7).
//   - Reading creates nothing (invariant I11).
//
// Files whose names begin with ".dkimbot-" in the directory are locks (ending
// in ".lock") and notes of reloads that are due; a note that is removed is a
// reload forgotten.
//
// A file is read by package master. $INCLUDE is followed, relative to the including file, where
// those who can write that file can read the other one, too. The SOA must stand in
// the zone file itself. A file that holds what only a signer makes (RRSIG, NSEC, NSEC3,
// NSEC3PARAM, ZONEMD) is refused: after a change its signatures would not fit.
//
// Whoever can write in the directory can change the zone. They can't make this
// process hang, fill its memory, or write anywhere else: only regular files of a bounded
// size are read, symbolic links count only where they could not have put them, and files of
// others are neither adopted nor given away.
//
// It may import providers/zonefile/master, the leaves and libdns.
package zonefile
