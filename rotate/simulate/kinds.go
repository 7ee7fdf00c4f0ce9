package simulate

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/dkimbot/dkimbot/rotate/dkim"
)

// Keys of RSA are made here that follow from their number. To make one takes longer than to play a week: they are
// made of few primes, and by all worlds of a program once. They protect nothing.

const rsaPrimes = 24 // of 1024 bits each, two to a key

var rsaKeys struct {
	mu     sync.Mutex
	primes []*big.Int
	keys   []*dkim.PrivateKey
}

// rsaKey returns the key of that number. After as many as there are it begins again, years later.
func rsaKey(n int) *dkim.PrivateKey {
	rsaKeys.mu.Lock()
	defer rsaKeys.mu.Unlock()
	n %= rsaPrimes * (rsaPrimes - 1) / 2
	for len(rsaKeys.keys) <= n {
		i, j := pair(len(rsaKeys.keys))
		rsaKeys.keys = append(rsaKeys.keys, rsaOf(rsaPrime(i), rsaPrime(j)))
	}
	return rsaKeys.keys[n]
}

// pair returns two different numbers, the smallest first.
func pair(n int) (i, j int) {
	for i = 1; n >= i; i++ {
		n -= i
	}
	return i, n
}

// rsaPrime returns the prime of that number.
func rsaPrime(i int) *big.Int {
	for len(rsaKeys.primes) <= i {
		r, one := rand.New(rand.NewPCG(uint64(len(rsaKeys.primes)), 2048)), big.NewInt(1)
		p := new(big.Int).SetBit(new(big.Int), 1023, 1)
		for bit := range 1022 {
			p.SetBit(p, bit, uint(r.IntN(2)))
		}
		p.SetBit(p.SetBit(p, 1022, 1), 0, 1)
		e := big.NewInt(65537)
		for new(big.Int).Mod(new(big.Int).Sub(p, one), e).Sign() == 0 || !p.ProbablyPrime(1) {
			p.Add(p, big.NewInt(2))
		}
		rsaKeys.primes = append(rsaKeys.primes, p)
	}
	return rsaKeys.primes[i]
}

func rsaOf(p, q *big.Int) *dkim.PrivateKey {
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	k := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537},
		D: new(big.Int).ModInverse(big.NewInt(65537), phi), Primes: slices.Clone([]*big.Int{p, q})}
	k.Precompute()
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic("simulate: an RSA key does not marshal: " + err.Error())
	}
	key, err := dkim.ParsePrivateKey(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if err != nil {
		panic("simulate: an RSA key does not parse: " + err.Error())
	}
	return key
}

// kind returns of which kind a key is.
func (k *keyring) kind(id string) dkim.Algorithm {
	if k.rsa[id] {
		return dkim.RSA2048
	}
	return dkim.Ed25519
}

// makeKey makes a key. Nothing depends on its kind but where that is changed, and RSA would cost most of a run.
func (p *process) makeKey(kind dkim.Algorithm) (*dkim.PrivateKey, error) {
	if p.plays(changes) && kind == dkim.RSA2048 {
		return p.keys.makeRSA(), nil
	}
	return p.keys.make(), nil
}
