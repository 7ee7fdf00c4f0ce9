package simulate

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"fmt"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// keyring makes the run's keys. They follow from the seed, so that a run can be
// played again to the letter; they protect nothing.
type keyring struct {
	seed    uint64
	made    int
	labels  map[string]string // by key id: for people
	records map[string]string // key id by key record
	empty   map[string]bool   // by record: its key was taken out
	seen    map[string]bool   // key ids that were published
	domains map[string]string // by key id: the domain that it was stored for
	rsa     map[string]bool   // key ids of RSA keys
}

func newKeyring(seed uint64) keyring {
	return keyring{seed: seed, labels: map[string]string{}, records: map[string]string{}, empty: map[string]bool{},
		seen: map[string]bool{}, domains: map[string]string{}, rsa: map[string]bool{}}
}

// make returns a new key, whatever the algorithm that the policy names: nothing
// here depends on it, and RSA would cost most of the run.
func (k *keyring) make() *dkim.PrivateKey {
	k.made++
	var seed [ed25519.SeedSize]byte
	binary.BigEndian.PutUint64(seed[:], k.seed)
	binary.BigEndian.PutUint64(seed[8:], uint64(k.made))
	der, err := x509.MarshalPKCS8PrivateKey(ed25519.NewKeyFromSeed(seed[:]))
	if err != nil {
		panic("simulate: an Ed25519 key does not marshal: " + err.Error())
	}
	key, err := dkim.ParsePrivateKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		panic("simulate: an Ed25519 key does not parse: " + err.Error())
	}
	k.labels[key.ID()] = fmt.Sprintf("K%d", k.made)
	return key
}

// makeRSA returns a new key of RSA.
func (k *keyring) makeRSA() *dkim.PrivateKey {
	k.made++
	key := rsaKey(len(k.rsa))
	k.labels[key.ID()], k.rsa[key.ID()] = fmt.Sprintf("K%d", k.made), true
	return key
}

// label names a key for people.
func (k *keyring) label(id string) string {
	if l := k.labels[id]; l != "" {
		return l
	}
	if id == "" {
		return "no key"
	}
	return "an unknown key"
}

// of returns the id of the key that a record publishes, "" for what is no key record.
func (k *keyring) of(record string) string {
	id, known := k.records[record]
	if !known {
		if r, err := dkim.ParseRecord(record); err == nil {
			id = r.Key.ID()
		}
		k.records[record] = id
	}
	return id
}

// revoked reports whether a record is one whose key was taken out (RFC 6376 section 3.6.1).
func (k *keyring) revoked(record string) bool {
	if k.of(record) != "" {
		return false
	}
	empty, known := k.empty[record]
	if !known {
		r, err := dkim.ParseRecord(record)
		empty = err == nil && r.Revoked()
		k.empty[record] = empty
	}
	return empty
}

// foreign reports whether a value is no key record at all.
func (k *keyring) foreign(value string) bool { return k.of(value) == "" && !k.revoked(value) }

// other reports whether values publish a key that is not the one of that id.
func (k *keyring) other(values []string, id string) bool {
	for _, v := range values {
		if of := k.of(v); of != "" && of != id {
			return true
		}
	}
	return false
}

// only reports whether values publish the key of that id and nothing else.
func (k *keyring) only(values []string, id string) bool {
	for _, v := range values {
		if k.of(v) != id {
			return false
		}
	}
	return len(values) > 0
}
