// Package config reads the configuration file and says everything that is
// wrong with it at once, each with file, line, the key's path and what to write
// instead.
//
// Load promises to touch nothing but the file, its includes and the files of
// the secrets that it names, and only to read those. What it returns is plain
// typed data with absolute paths, names in normal form and every default filled
// in; secrets are handles that never print and are read again each time, so that
// a rotated token is picked up.
//
// The rules that are decided here:
//
//   - Relative paths, include patterns and commands with a slash are relative to
//     the file that says them. A relative secret file is looked for in
//     $CREDENTIALS_DIRECTORY first.
//   - The policy "default" always exists. What another policy leaves out, it takes
//     from "default", and what "default" leaves out, from the built-in values.
//   - verify is merged key by key; the domain's word counts before the
//     provider's, the provider's before the one at the top.
//   - Whoever can write the configuration says which commands run. So each of its files, and each
//     directory on the way to one, belongs to root or the running user, and nobody else can
//     write it. An ordinary user's own group of one may; root has no such group.
//   - Only regular files are read: no pipe, no device, nothing endless.
//   - One group of keys is merged (<<: *name); a list of them is refused, because the first
//     would count without a word.
//   - Others must not be able to read a secret's file; its group may.
//
// It belongs to the command line (cmd) and may import everything below it.
package config
