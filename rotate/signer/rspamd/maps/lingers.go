package maps

// Lingers implements ports.Lingerer: a process of rspamd that has the map from before a switch reads the file of the
// key that was left, for each message, and signs nothing without it.
func (s *Signer) Lingers() bool { return true }
