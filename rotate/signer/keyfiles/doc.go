// Package keyfiles keeps files for a signing daemon that runs as another user: private keys below one
// directory, and the tables or maps beside which dkimbot works.
//
// It promises that nothing which another user planted is followed or given away, that a file is there whole
// or not at all, with the owner and mode that the daemon needs from the first instant and whatever the umask is, and
// that nothing which dkimbot did not write is changed (I6), nor keeps a key from being written. A directory in which
// somebody else could replace the keys is refused by name (Store.Screen).
//
// The adapters in rotate/signer use it; it may import the leaves and rotate/signer/block.
package keyfiles
