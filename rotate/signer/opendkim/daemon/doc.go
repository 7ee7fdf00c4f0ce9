// Package daemon sends a signal to the OpenDKIM that a pid file names, in place of a reload command.
//
// OpenDKIM's user can write the pid file. So it is believed only as far as the process that it names runs a program
// called opendkim that only root can change; no other process gets a signal, whatever the file says. A signal that
// would end the daemon is refused (I1).
//
// It may import rotate/codes, rotate/fault and rotate/safefile.
package daemon
