// Package file keeps private keys in a directory: the embedded default keystore.
//
//	<dir>/<domain>/<selector>/<version>.pem
//
// Directories are 0700 and files 0600; wider permissions are refused, not repaired. They,
// and the directories above, belong to root or the running user, and nobody else can exchange them.
// A file holds one line that says whose key it is and the key as PKCS#8 PEM. It is
// written under another name, synced, and linked to its own name, which must be
// free: so a version appears whole or not at all, nothing is overwritten, and of
// several processes one wins. Destroying a version puts a file without a key in its
// place, which keeps the number taken. What the key's blocks on the disk hold
// afterwards is up to the file system.
//
// Files whose names are no version are left alone. A file in a version's place
// that dkimbot did not write is refused (I6).
//
// It may import keystore and the leaves.
package file
