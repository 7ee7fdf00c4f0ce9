package rotate

import (
	"slices"
	"time"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// The functions of this file note what becomes of the key at one selector, and concern no
// other part of the state.

// Restored notes that a key is now kept as another version.
func (s *Selector) Restored(keyID string, version int) {
	for _, k := range s.keys() {
		if k.ID == keyID {
			k.Version = version
		}
	}
}

// Publishing notes, before the record changes, how long resolvers may answer
// from before the change. A wait that was noted earlier is never shortened.
func (s *Selector) Publishing(wait, ttl time.Duration) {
	s.TTL = max(s.TTL, ttl)
	k := s.Wanted()
	k.CacheWait = max(k.CacheWait, wait)
	k.VerifiedAt = time.Time{}
}

// Revoking notes, before the effect, what the record is to be; ttl is the longer of its own and of what it replaces.
func (s *Selector) Revoking(ttl time.Duration) {
	s.TTL = max(s.TTL, ttl)
	if !slices.Contains(s.Past, s.Key.ID) {
		s.Past = append(s.Past, s.Key.ID)
	}
	s.Key.Record, s.Revoked = dkim.RevokedRecord(s.Key.Record), true
}

// dropFresh gives up the fresh key, whether it has taken the old one's place or not: no
// signer has used it, and none will. Its record may yet appear, and is ours.
func (s *Selector) dropFresh(now time.Time) {
	for i := range s.Retired {
		s.Retired[i].Dropped = true
	}
	s.dropNext(now)
}

// dropNext gives up the key that was to take the present one's place.
func (s *Selector) dropNext(now time.Time) {
	if next := s.Next; next != nil {
		if next.MayBePublic() {
			s.Key.ShadowedAt = now
		}
		s.Retired = append(s.Retired, Retired{KeyID: next.ID, Version: next.Version, Dropped: true})
		s.Past = append(s.Past, next.ID)
		s.Next = nil
	}
}

// notLater moves what happened in DNS and in the keystore to now, where a clock that was ahead has noted a later time:
// unlike a signer's switch, it has no lag. Nor does a resolver keep anything for longer than receivers keep keys (RFC
// 8767 section 4). Else the waits that count from there would hold up for years what has to be put right.
func (s *Selector) notLater(now time.Time) {
	s.TTL, s.PrecededTTL = min(s.TTL, MostKept), min(s.PrecededTTL, MostKept)
	for _, k := range s.keys() {
		k.CacheWait = min(k.CacheWait, MostKept)
		for _, t := range k.times() {
			if t.After(now) {
				*t = now
			}
		}
	}
}

// dropUnpublished gives up the first key when its publication was never begun. No receiver can verify
// anything with it, so nothing is revoked, and a name at which nothing stands stays empty.
func (s *Selector) dropUnpublished() {
	if s == nil || s.Key == nil || s.Key.MayBePublic() {
		return
	}
	s.Retired = append(s.Retired, Retired{KeyID: s.Key.ID, Version: s.Key.Version, Dropped: true, Leaked: true})
	s.Key = nil
}

// MayBePublic reports whether the key's publication was begun, or it was public before dkimbot had it.
func (k *Key) MayBePublic() bool {
	return k.CacheWait > 0 || !k.PublishedAt.IsZero() || !k.VerifiedAt.IsZero()
}

// keys returns the keys that the selector has: the present one, and the fresh one.
func (s *Selector) keys() []*Key {
	return slices.DeleteFunc([]*Key{s.Key, s.Next}, func(k *Key) bool { return k == nil })
}

// times returns every time at which something happened to the key.
func (k *Key) times() []*time.Time {
	return []*time.Time{&k.StoredAt, &k.PublishedAt, &k.VerifiedAt, &k.Leaked, &k.RevokedAt, &k.ShadowedAt}
}
