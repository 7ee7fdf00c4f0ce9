// Package haraka makes Haraka's dkim plugin sign with the keys it is given, by one file: config/smtp.json.
//
// # What it promises
//
// The plugin takes selector and key of a domain from two files, config/dkim/DOMAIN/selector and private. Haraka keeps
// both in memory and reads each again five seconds after it has changed, by a timer of its own: whoever changes the two
// files has mail signed with the one's new and the other's old content, and a symbolic link to another directory is
// never followed again. But Haraka's smtp.json, which is read before all other files, may hold the content of any other
// file: "!dkim/example.com/selector" and "!dkim/example.com/private". It is watched, too, and what it holds replaces
// both in memory in one go, in each process by itself (process_file_overrides of haraka-config). So:
//
//  1. A directory config/dkim/DOMAIN is made where there is none; the plugin signs only for domains that have one.
//  2. smtp.json is replaced in one instant. This is the switch, for however many domains.
//  3. It is read again as Haraka reads it.
//
// At every instant, also after a crash between any two operations and a restart of Haraka, each domain has one selector
// and the key that belongs to it (I1, I7). Lag covers the five seconds.
//
// An empty directory hides that of a parent domain, by which the plugin may sign until then. Where there is one, the
// directory is made only when smtp.json has surely been read.
//
// # Other people's members
//
// Everything else that smtp.json holds stays as it is (I6). What it or the two files say of a domain is taken over with
// the domain's first switch: ours stands last in the file, and Haraka takes the last. The member "dkimbot" says which
// are ours: the last before it. One that somebody writes behind it counts in Haraka; it is named and stays, and ours is
// written again. A smtp.yaml, which Haraka reads only where there is no smtp.json, is refused.
//
// It may import the leaves and the packages of rotate/signer.
package haraka
