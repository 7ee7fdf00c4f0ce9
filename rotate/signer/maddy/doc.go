// Package maddy makes the mail server maddy sign with the keys it is given: private key files, one file that
// maddy.conf imports, one restart, and a question to maddy afterwards.
//
// # What it promises
//
// maddy reads its configuration and the keys when it starts; from 0.9 on it also does at SIGUSR2. At every instant,
// also after a crash between any two operations followed by anybody's restart, each domain has one selector and the
// key that belongs to it (I1, I7):
//
//  1. New key files are written beside the old ones, synced and renamed; none is ever overwritten.
//  2. The imported file is replaced. This is the switch, for however many domains.
//  3. Where there is a check command, as maddy verify-config, it is run. When it fails the file goes back to what it
//     was, and maddy is left alone.
//  4. One restart, and a message of each domain, which must come back with the new selector, alone, verifying.
//
// What maddy shows is believed, and nothing else: until the restart a domain is active with the key from before. When
// maddy does not come back, or does worse than before, the file goes back to what it was, and maddy is started again.
// It is not restarted at all when it can't be asked.
//
// # The file
//
// A directive dkim of maddy has one selector and any number of domains, and its key_path is a pattern. Every message
// passes all directives; each says in the log that it has no key for the domain, or signs. One without a sender, as a
// bounce, is signed by each with the key of its first domain. So there are as few directives as can be: one for
// each selector and number. The number is part of the key file's name, so that a new key at the same selector is a
// new file; it is the smallest one that is free.
//
// maddy makes a key of its own where the file that it is to read is missing, and signs with it: nobody has published
// that key. So no restart is made when a key file that the imported file names is missing or holds no key (I2).
//
// The file is dkimbot's alone. One with lines of others is refused (I6); theirs have a place in maddy.conf.
//
// # The question
//
// maddy.conf has an endpoint on loopback, through which nobody sends mail. It passes messages through the same
// directives and gives them to dkimbot, which listens, while it asks, on a socket in a directory that only root and
// maddy can enter. Nobody else comes to see a message that is signed there.
//
// It may import the leaves and the packages of rotate/signer.
package maddy
