// Package rspamd is the configuration of signers that are an rspamd. What each source does, and what it promises,
// stands with it: rspamd/maps, rspamd/redis.
//
// It may import the leaves and the packages of rotate/signer.
package rspamd
